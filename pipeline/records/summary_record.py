"""The record summary.json, typed: what one run came to. Free of TFX and TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelmill.components.gates import Gate

# Of a run that is at its end; `modelmill runs` knows others besides.
Ended = Literal["pushed", "refused", "failed", "partial"]


class _Record(BaseModel):
    """Keeps what a later version may add."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, frozen=True)


class NodeRecord(_Record):
    """A node of the run: done, cached, skipped, failed or waiting; seconds of its work."""

    id: str
    state: str
    seconds: float
    cached: bool = False


class DataRecord(_Record):
    """Examples by split, files dropped, features that do not fit the schema, and what the data gate warned of."""

    splits: dict[str, int] | None = None
    dropped: int | None = None
    anomalies: int | None = None
    warnings: tuple[str, ...] = ()


class Measured(_Record):
    """Figures of a model: metrics of the test split, bytes, milliseconds; what was not measured is null."""

    metrics: dict[str, float | None] = {}
    bytes: int | None = None
    gzip_bytes: int | None = None
    latency_ms: float | None = None


class CompressedRecord(Measured):
    """The compressed model that was chosen: its chain of methods, and the share of its weights that is zero."""

    chain: list[Any] = []
    label: str | None = None
    sparsity: float | None = None


class TrialRecord(_Record):
    """A chain that the Compressor tried; metrics of the eval split. `over` lists what of the budget it exceeds."""

    label: str | None = None
    status: str = "ok"
    metrics: dict[str, float | None] = {}
    gzip_bytes: int | None = None
    latency_ms: float | None = None
    within_budget: bool | None = None
    over: list[str] = []
    reason: str | None = None


class FailureRecord(_Record):
    """Why a run ended early, and at which node."""

    node: str | None = None
    reason: str


class Summary(_Record):
    """The whole record."""

    experiment: str
    run_id: str
    status: Ended
    seconds: float
    nodes: tuple[NodeRecord, ...] = ()
    data: DataRecord | None = None
    baseline: str | None = Field(None, description="The folder of the model that was the baseline.")
    float_model: Measured | None = Field(None, alias="float")
    compressed: CompressedRecord | None = None
    trials: tuple[TrialRecord, ...] = ()
    gates: tuple[Gate, ...] = ()
    pushed: str | None = Field(None, description="The folder of the pushed version.")
    failure: FailureRecord | None = None

    def plain(self) -> dict[str, Any]:
        """Return what is written: strict JSON, without the fields that nobody has set."""
        return self.model_dump(by_alias=True, exclude_unset=True, mode="json")


def read(path: Path) -> Summary:
    """Return the record in a file.

    Raises:
      ValueError: the file can't be read, or holds another thing; the message begins with its path.
    """
    try:
        return Summary.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {place}: {first['msg']}" if place else f"{path}: {first['msg']}") from error
