"""What a modality's and a task's client.py offer; in a bundle they lie beside this file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Reader(Protocol):
    """Turns raw files into the flatbuffer's input.

    Attributes:
      shape: of one input.
      dtype: its name, such as "uint8".
    """

    shape: tuple[int, ...]
    dtype: str

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        """Take the manifest's `preprocessing`, and what gives the path of a file that this names.

        Raises:
          ValueError: the settings can't be right, though FIELDS holds.
        """

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what each example of a file is called, and the input. Raises ERROR; the message names the file."""


class ModalityPart(Protocol):
    """A modality's client.py.

    Attributes:
      PREPROCESSING: for the manifest: what a client in another language has to do before the flatbuffer.
      REQUIRES: the packages that it imports besides numpy and the standard library; others are refused.
      FIELDS: a template of the manifest's `preprocessing`, see fields.py.
      FILES: for --help: what files it takes.
      ERROR: what `Reader.read` raises of a file that it can't take.
      Reader: see above.
    """

    PREPROCESSING: str
    REQUIRES: tuple[str, ...]
    FIELDS: dict[str, Any]
    FILES: str
    ERROR: type[Exception]
    Reader: type[Reader]


class TaskPart(Protocol):
    """A task's client.py; without one, task.py beside this file.

    Attributes:
      REQUIRES: as of a modality's.
    """

    REQUIRES: tuple[str, ...]

    def answer(self, outputs: list[NDArray[np.float32]], labels: list[str], manifest: dict[str, Any]) -> dict[str, Any]:
        """Return what is printed of one example, JSON: under the output's name a number for each label."""


def load(name: str) -> Any:
    """Return the part that lies beside this file."""
    return importlib.import_module(f".{name}", __package__)
