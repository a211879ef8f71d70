"""Finds the folder of a run by what a person calls it."""

from __future__ import annotations

import difflib
from pathlib import Path

FILE = "experiment.yaml"


class NoRunError(ValueError):
    """There is no such run; the message tells which there are."""


def run(root: Path, name: str | None = None) -> Path:
    """The folder of a run.

    Args:
      root: of all runs.
      name: a folder, a run's id, EXPERIMENT/ID, or an experiment, whose newest run is meant; without it the newest
        run of all.

    Raises:
      NoRunError: there is none.
    """
    runs = sorted((path.parent for path in root.glob(f"*/*/{FILE}") if not path.parent.is_symlink()), key=_age)
    if name is not None:
        for place in (Path(name), root / name):
            if (place / FILE).is_file():
                return place.resolve()
        runs = [path for path in runs if name in (path.name, path.parent.name)]
    if runs:
        return runs[-1].resolve()
    if name is None:
        raise NoRunError(f"{root}: no runs; `modelmill run` makes one, --root names another place")
    known = sorted({part for path in root.glob(f"*/*/{FILE}") for part in (path.parent.name, path.parent.parent.name)})
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise NoRunError(f"no run {name!r} in {root}: give a run's folder or id, or an experiment{hint}")


def _age(folder: Path) -> tuple[str, float]:
    return (folder.name, folder.stat().st_mtime)
