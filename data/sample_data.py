"""Data sets that come with modelmill: written to files the first time, since a pipeline reads files."""

from __future__ import annotations

from pathlib import Path

from modelmill.data.core import plugins
from modelmill.data.core.atomic import staged
from modelmill.data.core.fetch.wheel import MissingPackageError as MissingPackageError  # what `materialize` raises

PACKAGE = "modelmill.data.samples"


def materialize(name: str, folder: Path) -> Path:
    """Writes sample `name` to folder/name, with its card, and returns that path; does nothing if it is there.

    The files appear at once, by a rename: a killed run leaves no half of a data set.

    Raises:
      UnknownNameError: there is no such sample.
      MissingPackageError: it lies in a package that is not installed, or can't be fetched.
    """
    target = folder / name
    if target.is_dir():
        return target
    module = plugins.load(PACKAGE, name, "sample")
    folder.mkdir(parents=True, exist_ok=True)
    with staged(target) as staging:
        staging.mkdir()
        module.write(staging)
        (staging / "CARD.md").write_text(f"# {name}\n\n{module.__doc__}")
    return target
