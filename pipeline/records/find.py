"""Finds runs by what a person calls them; every command that takes runs or experiments takes the same names."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from modelmill.pipeline.experiment.errors import ExperimentError
from modelmill.pipeline.experiment.yaml_tree import read
from modelmill.pipeline.layout import Folders, is_run, run_folders

FILE = "experiment.yaml"
ACCEPTED = (
    "a run's folder or id, EXPERIMENT/ID, an experiment's name or its folder below the root, a project's folder, or an "
    "experiment's file"
)


class NoRunError(ValueError):
    """There is no such run; the message tells what was found and which names are accepted."""


@dataclass(frozen=True)
class Named:
    """What a name stands for: one run, or an experiment with all of its runs.

    Attributes:
      folders: of the experiment.
      run: the run's folder; None if an experiment was named.
    """

    folders: Folders
    run: Path | None = None

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs, the oldest first."""
        if self.run is not None:
            return [self.run]
        return sorted(run_folders(self.folders.root, [self.folders.name]), key=_age)


def run(root: Path, name: str | None = None) -> Path:
    """Returns the folder of a run.

    Args:
      root: of all runs.
      name: see `named`; of an experiment the newest run is meant. Without it the newest run of all.

    Raises:
      NoRunError: there is none.
    """
    runs = sorted(run_folders(root), key=_age) if name is None else named(root, name).runs
    if not runs:
        raise NoRunError(f"{root}: no runs; `modelmill run` makes one, --root names another place")
    return runs[-1].resolve()


def named(root: Path, name: str) -> Named:
    """Resolves a name: a path (from here, or below the root), a run's id, or an experiment that was run.

    A project's folder or an experiment's file stands for the experiment that it describes.

    Raises:
      NoRunError: it is none of these, or the experiment was never run.
    """
    places = [Path(name).expanduser(), root / name]
    for place in places:
        found = _at(root, place, name)
        if found is not None:
            return found
    runs = sorted(run_folders(root), key=_age)
    by_id = [folder for folder in runs if folder.name == name]
    if by_id:
        return Named(Folders(root, by_id[-1].parent.name), by_id[-1].resolve())
    known = {part for folder in runs for part in (folder.name, folder.parent.name)}
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise NoRunError(f"no run {name!r} in {root}: {_described(places)}; give {ACCEPTED}{hint}")


def _at(root: Path, place: Path, name: str) -> Named | None:
    """What a path stands for; None if it is no run, project, experiment's folder or experiment's file."""
    if place.is_file():
        if place.name == FILE and is_run(place.parent):
            return _run(root, place.parent)
        return _described_by(root, place, name, "an experiment's file") if place.suffix in (".yaml", ".yml") else None
    if is_run(place):
        return _run(root, place)
    if (place / FILE).is_file():
        return _described_by(root, place / FILE, name, "a project")
    folder = place.resolve()
    if run_folders(folder.parent, [folder.name]):
        return Named(Folders(_same(root, folder.parent), folder.name))
    return None


def _run(root: Path, folder: Path) -> Named:
    folder = folder.resolve()
    return Named(Folders(_same(root, folder.parent.parent), folder.parent.name), folder)


def _same(root: Path, folder: Path) -> Path:
    """The root as it was given if that is the folder, so that an experiment has one `Folders` whatever it is called."""
    return root if root.resolve() == folder else folder


def _described_by(root: Path, file: Path, name: str, kind: str) -> Named:
    """The experiment that a file describes; only its name is read, so a file that is being edited will do."""
    try:
        experiment = read(file, str(file)).get("name", file.stem)
    except ExperimentError as error:
        raise NoRunError(f"{error}\n  so there is no telling of which experiment {name!r} is") from error
    if run_folders(root, [str(experiment)]):
        return Named(Folders(root, str(experiment)))
    raise NoRunError(
        f"no run of {name!r} in {root}: it is {kind}, and its experiment {str(experiment)!r} has no run there; "
        f"`modelmill run {name}` makes one, --root names another place"
    )


def _described(places: list[Path]) -> str:
    """What was found under a name that is no run's."""
    for place in places:
        if place.is_dir():
            return f"found {place}, a folder without {FILE} (a run or a project has one) and without runs in it"
        if place.exists():
            return f"found {place}, a file that is no experiment (.yaml, .yml)"
    return "found nothing of that name"


def _age(folder: Path) -> tuple[str, float]:
    return (folder.name, folder.stat().st_mtime)
