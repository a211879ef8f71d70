"""What a run came to, typed: summary.json and run folders for programs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modelmill.components.gates import Gate
from modelmill.pipeline.layout import RunFolder, run_folders
from modelmill.pipeline.records import summary_record
from modelmill.pipeline.records.summary_record import CompressedRecord, Measured, TrialRecord

Status = Literal["pushed", "refused", "failed", "partial", "unfinished", "running", "unreadable"]


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
        `modelmill runs` calls it "running" where a process is at work on it; of an "unreadable" one the summary is
        damaged, or of another version, and `failure` says how.
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
    try:
        found = summary_record.read(path)
    except ValueError as error:
        reason = str(error).removeprefix(f"{folder}/")
        return Run(folder.parent.name, folder.name, "unreadable", folder, failure=reason)
    return Run(
        experiment=found.experiment,
        id=found.run_id,
        status=found.status,
        folder=folder,
        seconds=found.seconds,
        examples=(found.data and found.data.splits) or {},
        float_model=_model(found.float_model),
        compressed_model=_model(found.compressed),
        trials=tuple(map(_trial, found.trials)),
        gates=found.gates,
        nodes=tuple(NodeState(one.id, one.state, one.seconds) for one in found.nodes),
        pushed=Path(found.pushed) if found.pushed else None,
        failure=found.failure.reason if found.failure else None,
    )


def _model(found: Measured | None) -> Model | None:
    if found is None:
        return None
    made_by, sparsity = "float32", None
    if isinstance(found, CompressedRecord):
        made_by, sparsity = found.label or made_by, found.sparsity
    return Model(_known(found.metrics), found.bytes, found.gzip_bytes, found.latency_ms, made_by, sparsity)


def _trial(found: TrialRecord) -> Trial:
    return Trial(
        chain=found.label or "float32",
        status=found.status,
        metrics=_known(found.metrics),
        gzip_bytes=found.gzip_bytes,
        latency_ms=found.latency_ms,
        within_budget=bool(found.within_budget),
        reason=found.reason or "; ".join(found.over),
    )


def _known(metrics: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
