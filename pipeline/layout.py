"""Where things lie under the root of all runs, and the nodes of the chain. Free of TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from modelmill.data.core import plugins
from modelmill.data.core.atomic import staged

# The chain in its order. Dashes, because Argo takes no underscores.
NODES = (
    "ingest",
    "statistics",
    "last-statistics",
    "schema",
    "validator",
    "data-gate",
    "transform",
    "augment",
    "train",
    "baseline",
    "evaluate",
    "compress",
    "evaluate-compressed",
    "check",
    "push",
)


def part_problem(first: str | None, last: str | None, nodes: Collection[str] = NODES) -> str | None:
    """What is wrong with a part of the chain, from `first` to `last`, if anything is; `nodes` are the experiment's."""
    for option, node in (("--from", first), ("--to", last)):
        if node is not None and node not in NODES:
            return f"{option}: {plugins.unknown('node', node, NODES)}"
        if node is not None and node not in nodes:
            return f"{option} {node}: not a node of this experiment; it is there with augment.mode: materialized"
    if first and last and NODES.index(first) > NODES.index(last):
        return f"--from {first} comes after --to {last}; the chain is {', '.join(NODES)}"
    return None


@dataclass(frozen=True)
class Folders:
    """Of one experiment. Artifacts and metadata are shared by its runs: else nothing would ever be cached."""

    root: Path
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.expanduser().absolute())

    @property
    def experiment(self) -> Path:
        """All that belongs to the experiment."""
        return self.root / self.name

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.experiment / "artifacts"

    @property
    def metadata(self) -> Path:
        """The SQLite file of ML Metadata."""
        return self.experiment / "metadata.sqlite"

    @property
    def pushed(self) -> Path:
        """Where versions go if the experiment names no other place."""
        return self.experiment / "pushed"

    @property
    def samples(self) -> Path:
        """Data sets that come with modelmill, shared by all experiments."""
        return self.root / "samples"

    @property
    def latest(self) -> Path:
        """A link to the newest run."""
        return self.experiment / "latest"

    @property
    def cache(self) -> Path:
        """Parts of reports; may be deleted at any time."""
        return self.experiment / ".report"

    @property
    def lock(self) -> Path:
        """Held while a run is going on."""
        return self.experiment / ".lock"


RUN_ID = re.compile(r"\d{8}-\d{6}(-\d{3})?")


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run.

    A project's folder has an experiment.yaml, too, but neither a run's id as its name nor links to artifacts; the
    links tell a run's folder that was renamed.
    """
    run = RunFolder(folder)
    return run.copy.is_file() and (RUN_ID.fullmatch(folder.resolve().name) is not None or run.links.is_dir())


def run_folders(root: Path, experiments: Collection[str] = ()) -> list[Path]:
    """The folders of all runs below the root, ROOT/EXPERIMENT/ID, or of those of some experiments; in no order."""
    return [
        path.parent
        for path in root.glob("*/*/experiment.yaml")
        if RUN_ID.fullmatch(path.parent.name) and (not experiments or path.parent.parent.name in experiments)
    ]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; its name is the run's id, and ids sort by time."""

    path: Path

    @classmethod
    def create(cls, folders: Folders, now: datetime) -> RunFolder:
        """A new folder; a number is appended if there is a run of the same second."""
        folders.experiment.mkdir(parents=True, exist_ok=True)
        stamp = now.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = folders.experiment / (stamp if number == 1 else f"{stamp}-{number:03}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            (path / "links").mkdir()
            return cls(path)
        raise FileExistsError(f"{folders.experiment}: a thousand runs began in the second {stamp}")

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def log(self) -> Path:
        """What TFX, Beam, TensorFlow and the nodes write."""
        return self.path / "log.txt"

    @property
    def summary(self) -> Path:
        """What came out, as JSON."""
        return self.path / "summary.json"

    @property
    def origin(self) -> Path:
        """Command, versions and commit, as JSON."""
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def progress(self) -> Path:
        """Events of the nodes; see data/core/progress.py."""
        return self.path / "progress.jsonl"

    @property
    def copy(self) -> Path:
        """The experiment with all defaults and overrides."""
        return self.path / "experiment.yaml"

    @property
    def links(self) -> Path:
        """NODE -> the folders of its output artifacts."""
        return self.path / "links"

    def publish(self, folders: Folders) -> None:
        """Makes `latest` point here; by a rename, so that there is always one."""
        with staged(folders.latest) as link:
            link.symlink_to(self.id, target_is_directory=True)
