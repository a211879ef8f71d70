"""Client part of the modality series: a series to the flatbuffer's input. It needs numpy alone.

A file is one series: a CSV without a header, a line a step, a value for each channel; a value that is missing is empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Of the first `length` steps, of each channel the value minus `mean`, divided by `stddev`, all doubles, "
    "rounded to float32; 0 if the value is missing: empty or, in small letters, in `missing_values`. "
    "One channel more, the last, is 1. Behind shorter series is 0. "
    "A line end at the end is none of another step."
)
# The packages that it imports besides numpy.
REQUIRES = ()
# Of the manifest's `preprocessing`.
FIELDS = {"length": int, "channels": [{"mean": float, "stddev": float}], "missing_values": [str]}
FILES = "CSV, a line a step"
# What training reads as numbers: Python's float would take 1_000, inf and digits of other scripts, too.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4028235e38


class NotASeriesError(ValueError):
    """A file that can't be taken for a series; the message names it."""


ERROR = NotASeriesError


class Reader:
    """Reads series."""

    dtype = "float32"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        self._settings = {key: settings[key] for key in FIELDS}
        self.shape = (settings["length"], len(settings["channels"]) + 1)

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield the one example of a file. Raises NotASeriesError: it is no series of these channels."""
        try:
            series = preprocess(steps(Path(path).read_text(encoding="utf-8")), **self._settings)
        except (OSError, ValueError) as error:
            raise NotASeriesError(f"{path}: no series that can be read ({error})") from error
        yield str(path), series


def steps(text: str) -> list[list[str]]:
    """The values of each line, as text; a line end at the end is none of another step."""
    return [line.split(",") for line in text.removesuffix("\n").split("\n")]


def preprocess(
    steps: list[list[str]], length: int, channels: list[dict[str, Any]], missing_values: Collection[str] = ()
) -> NDArray[np.float32]:
    """Values of each step, as text, to float32 [length, channels + 1]. Raises ValueError."""
    means, stddevs = (np.array([one[key] for one in channels], np.float64) for key in ("mean", "stddev"))
    made = np.zeros((length, len(channels) + 1), np.float32)
    for place, step in enumerate(steps[:length]):
        if len(step) != len(channels):
            raise ValueError(f"line {place + 1}: {len(step)} values, expected {len(channels)}")
        cells = [" ".join(value.split()) for value in step]
        known = [math.nan if not cell or cell.lower() in missing_values else _number(cell, place) for cell in cells]
        values = np.array(known, np.float64)
        made[place, :-1] = np.where(np.isnan(values), 0, (values - means) / stddevs)
        made[place, -1] = 1
    return made


def _number(cell: str, place: int) -> float:
    """A finite number of the size of float32. Raises ValueError."""
    if NUMBER.fullmatch(cell) and abs(float(cell)) <= LARGEST:
        return float(cell)
    raise ValueError(f"line {place + 1}: {cell!r} is no finite number")
