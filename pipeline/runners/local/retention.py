"""`modelmill clean`: deletes old runs, and the artifacts that no kept run needs.

What a kept run needs is asked of ML Metadata: all that its nodes took or gave, whichever run made it. So a kept run
stays all cached, and what it was compared with stays, too. Versions that were pushed are never touched, nor is the
metadata store: TFX's cache asks it first, and then whether the artifacts are there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from modelmill.pipeline.layout import Folders
from modelmill.pipeline.records import mlmd
from modelmill.pipeline.records import run as results
from modelmill.pipeline.records.run import Run
from modelmill.pipeline.runners.local import lock

# The newest runs that pushed something are kept however old they are: their models are baselines, their statistics what
# drift is measured from. Two, because a run that repeats the newest is held to the one before it.
BASELINES = 2
TRASH = ".deleted"


@dataclass(frozen=True)
class Item:
    """Something to be deleted: a run's folder, an artifact, a checkpoint or what an interrupted clean has left."""

    kind: str
    path: Path
    bytes: int


@dataclass(frozen=True)
class Plan:
    """Of one experiment."""

    folders: Folders
    keep: tuple[Run, ...]
    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        """What will be free."""
        return sum(item.bytes for item in self.items)


def plan(folders: Folders, keep: int, days: int | None, now: datetime) -> Plan:
    """What can go; nothing is deleted.

    Args:
      folders: of the experiment.
      keep: how many of the newest runs stay; at least 1.
      days: younger runs stay, too.
      now: the time.
    """
    runs = results.every(folders.root, [folders.name])
    if not runs:  # nothing would tell what is still needed
        return Plan(folders, (), ())
    kept = _kept(runs, max(keep, 1), days, now)
    old = [run for run in runs if run not in kept]
    needed = _needed(folders, kept)
    items = [Item("run", run.folder, _size(run.folder)) for run in old]
    items += [Item("artifact", path, _size(path)) for path in _artifacts(folders.artifacts) if path not in needed]
    began = min(_time(run).timestamp() for run in kept)
    checkpoints = [path for path in _children(folders.experiment / "checkpoints") if _changed(path) < began]
    items += [Item("checkpoint", path, _size(path)) for path in checkpoints]
    items += [Item("leftover", path, _size(path)) for path in _children(folders.experiment / TRASH)]
    return Plan(folders, tuple(kept), tuple(items))


def carry_out(folders: Folders, keep: int, days: int | None, now: datetime) -> Plan:
    """Deletes what can go; while it does, no run of the experiment can begin.

    Raises:
      BusyError: one is going on.
    """
    with lock.held(folders.lock):
        made = plan(folders, keep, days, now)
        trash = folders.experiment / TRASH
        for number, item in enumerate(made.items):
            # First out of the way: half an artifact would be taken for a whole one by the cache.
            if item.kind == "leftover":
                shutil.rmtree(item.path, ignore_errors=True)
                continue
            trash.mkdir(exist_ok=True)
            aside = trash / f"{now:%Y%m%d%H%M%S}-{number}-{item.path.name}"
            os.replace(item.path, aside)
            shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(trash, ignore_errors=True)
        return made


def _kept(runs: list[Run], keep: int, days: int | None, now: datetime) -> list[Run]:
    """In the order of the runs."""
    pushed = [run for run in runs if run.pushed]
    young = [run for run in runs if days is not None and _time(run) > now - timedelta(days=days)]
    kept = {run.id for run in [*runs[-keep:], *pushed[-BASELINES:], *young]}
    return [run for run in runs if run.id in kept]


def _needed(folders: Folders, kept: Iterable[Run]) -> set[Path]:
    """The folders of the artifacts that kept runs took or gave, by ML Metadata and by their own links."""
    found = mlmd.places(folders, [run.id for run in kept])
    for run in kept:
        found |= {link.resolve() for link in (run.folder / "links").glob("*/*")}
    needed, root = set(), folders.artifacts.resolve()
    for path in found:
        # Of a root that was moved or copied the metadata store names the old place.
        known = path.resolve()
        below = known.relative_to(root) if known.is_relative_to(root) else Path(str(path).rpartition("/artifacts/")[2])
        needed.add(root.joinpath(*below.parts[:3]))  # a value artifact is a file in NODE/KEY/ID
    return needed


def _artifacts(root: Path) -> Iterator[Path]:
    """NODE/KEY/ID below TFX's pipeline root, but for TFX's own working folders."""
    for path in sorted(root.resolve().glob("*/*/*")):
        if path.is_dir() and not path.parent.name.startswith("."):
            yield path


def _time(run: Run) -> datetime:
    """When it began: its id says so."""
    return datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S")


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _changed(path: Path) -> float:
    return max((one.stat().st_mtime for one in (path, *path.rglob("*")) if one.exists()), default=0.0)


def _size(path: Path) -> int:
    """Of the files in it; links count nothing."""
    files = [path] if path.is_file() else [Path(top, name) for top, _, names in os.walk(path) for name in names]
    return sum(one.lstat().st_size for one in files if not one.is_symlink())
