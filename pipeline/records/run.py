"""What a run came to, typed: summary.json and run folders for programs."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelmill.components.gates import Gate
from modelmill.pipeline.layout import RunFolder, run_folders

Status = Literal["pushed", "refused", "failed", "partial", "unfinished", "running"]


@dataclass(frozen=True)
class Model:
    """Figures of a model. `metrics` are of the test split; what was not measured is None."""

    metrics: dict[str, float]
    bytes: int | None = None
    gzip_bytes: int | None = None
    latency_ms: float | None = None
    made_by: str = "float32"
    sparsity: float | None = None


@dataclass(frozen=True)
class Trial:
    """One chain that the Compressor tried. `metrics` are of the eval split."""

    chain: str
    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    gzip_bytes: int | None = None
    latency_ms: float | None = None
    within_budget: bool = False
    reason: str = ""


@dataclass(frozen=True)
class NodeState:
    """What became of a node: done, cached, skipped, failed or waiting; and how long it took."""

    id: str
    state: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
      experiment: its name.
      id: the run's; ids sort by time.
      status: "partial" is a part of the chain that did all it was asked to; "unfinished" never came to its end, and
        `modelmill runs` calls it "running" where a process is at work on it.
      folder: the run's own; report.html, log.txt and summary.json lie there.
      seconds: of the whole run.
      examples: by split.
      float_model, compressed_model: their figures; None if the run did not get so far.
      trials: of the Compressor.
      gates: every row of every gate.
      nodes: in the order in which they ran.
      pushed: the folder of the pushed version.
      failure: why it failed or was refused early.
    """

    experiment: str
    id: str
    status: Status
    folder: Path
    seconds: float | None = None
    examples: dict[str, int] = field(default_factory=dict)
    float_model: Model | None = None
    compressed_model: Model | None = None
    trials: tuple[Trial, ...] = ()
    gates: tuple[Gate, ...] = ()
    nodes: tuple[NodeState, ...] = ()
    pushed: Path | None = None
    failure: str | None = None

    @property
    def report(self) -> Path:
        """The page for people."""
        return RunFolder(self.folder).report

    def artifact(self, node: str, key: str) -> Path:
        """The folder of a node's output artifact, such as ("train", "model"). Raises KeyError: it has none."""
        path = RunFolder(self.folder).links / node / key
        if not path.exists():
            links = sorted(f"{one.parent.name}, {one.name}" for one in path.parent.parent.glob("*/*"))
            raise KeyError(f"run {self.id} has no artifact {node}, {key}; it has {'; '.join(links) or 'none'}")
        return path.resolve()


def every(root: Path, experiments: Collection[str] = ()) -> list[Run]:
    """All runs below the root, or those of some experiments, the oldest first."""
    found = run_folders(root, experiments)
    return [read(folder) for folder in sorted(found, key=lambda one: (one.name, one.parent.name))]


def read(folder: Path) -> Run:
    """The run in a folder ROOT/EXPERIMENT/ID; without a summary it is unfinished."""
    folder = folder.absolute()
    path = RunFolder(folder).summary
    if not path.is_file():
        return Run(folder.parent.name, folder.name, "unfinished", folder)
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    failure = told.get("failure") or {}
    return Run(
        experiment=told["experiment"],
        id=told["run_id"],
        status=told["status"],
        folder=folder,
        seconds=told["seconds"],
        examples=(told.get("data") or {}).get("splits") or {},
        float_model=_model(told.get("float")),
        compressed_model=_model(told.get("compressed")),
        trials=tuple(_trial(one) for one in told.get("trials", [])),
        gates=tuple(Gate.model_validate(one) for one in told.get("gates", [])),
        nodes=tuple(NodeState(one["id"], one["state"], one["seconds"]) for one in told.get("nodes", [])),
        pushed=Path(told["pushed"]) if told.get("pushed") else None,
        failure=failure.get("reason"),
    )


def _model(told: dict[str, Any] | None) -> Model | None:
    if told is None:
        return None
    measured = {key: told.get(key) for key in ("bytes", "gzip_bytes", "latency_ms", "sparsity")}
    return Model(told.get("metrics") or {}, made_by=told.get("label") or "float32", **measured)


def _trial(told: dict[str, Any]) -> Trial:
    return Trial(
        chain=told.get("label") or "float32",
        status=told.get("status", "ok"),
        metrics=told.get("metrics") or {},
        gzip_bytes=told.get("gzip_bytes"),
        latency_ms=told.get("latency_ms"),
        within_budget=bool(told.get("within_budget")),
        reason=told.get("reason") or "; ".join(told.get("over", [])),
    )
