"""Files of series, one after the other: .ts, and CSV or Parquet, long (a row a step) or wide (a row a series)."""

from __future__ import annotations

import fnmatch
import gzip
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from modelmill.data.core import files
from modelmill.data.numeric_cells import plain_cell
from modelmill.data.readers import tables
from modelmill.data.spec import BadExampleError

if TYPE_CHECKING:
    from modelmill.data.modalities.series.config import SeriesConfig


class Series(NamedTuple):
    """One series.

    Attributes:
      place: what messages call it.
      name: of the series, in a long table; else empty.
      steps: of each step its values, as text; a value that is missing is empty.
      labels: of each step, or one of all.
      decides: of each step the cell that decides on the split, or one of all; empty if none does.
    """

    place: str
    name: str
    steps: list[list[str]]
    labels: list[str]
    decides: list[str]


def read(path: str, name: str, config: SeriesConfig, decides: str | None) -> Iterator[Series]:
    """The series of a file. Raises BadExampleError."""
    if name.endswith((".ts", ".ts.gz")):
        return _ts(path, name, config)
    return _wide(path, name, config, decides) if config.layout == "wide" else _long(path, name, config, decides)


def _ts(path: str, name: str, config: SeriesConfig) -> Iterator[Series]:
    """The text format of sktime and aeon: channels between colons, values between commas, the label last."""
    try:
        with files.stream(path) as file:
            begun = False
            plain = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
            for number, line in enumerate(io.TextIOWrapper(plain, encoding="utf-8"), start=1):
                text = line.strip()
                if not begun or not text:
                    begun = begun or text.lower() == "@data"
                    continue
                *parts, label = text.split(":")
                channels = [[_known(value, config) for value in part.split(",")] for part in parts]
                place = f"{name}, line {number}"
                if len(channels) != config.channels:
                    found = f"{len(channels)} channels, but data.channels is {config.channels}"
                    raise BadExampleError(f"{place}: {found}")
                if len({len(channel) for channel in channels}) > 1:
                    raise BadExampleError(f"{place}: its channels are of different lengths")
                steps = [list(step) for step in zip(*channels, strict=True)]
                yield Series(place, "", steps, [label.strip()], [])
            if not begun:
                raise BadExampleError(f"{name}: it has no line @data; a .ts file has one before its series")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadExampleError(f"{name}: can't be read ({error})") from error


def _long(path: str, name: str, config: SeriesConfig, decides: str | None) -> Iterator[Series]:
    """Rows of one series stand together, in the order of time."""
    wanted = [config.series, config.label, *config.values]
    columns = [*wanted, *([decides] if decides and decides not in wanted else [])]
    seen: set[str] = set()
    now: Series | None = None
    for number, cells in tables.read(path, name, columns, config.separator):
        key = cells[config.series]
        if now is None or key != now.name:
            if now is not None:
                yield now
            if key in seen:
                advice = f"sort the rows by {config.series!r}, then by time"
                raise BadExampleError(f"{name}, row {number}: series {key!r} begins again; {advice}")
            seen.add(key)
            now = Series(f"{name}, series {key}", key, [], [], [])
        now.steps.append([_known(cells[value], config) for value in config.values])
        now.labels.append(cells[config.label])
        if decides:
            now.decides.append(cells[decides])
    if now is not None:
        yield now


def _wide(path: str, name: str, config: SeriesConfig, decides: str | None) -> Iterator[Series]:
    """Columns that match the pattern of `values` are the steps, in the order of the header; the last may be empty."""
    (pattern,) = config.values
    for number, cells in tables.read(path, name, None, config.separator):
        for column in (config.label, *([decides] if decides else [])):
            if column not in cells:
                raise BadExampleError(f"{name}: the column {column!r} is missing; there are {', '.join(cells)}")
        found = [_known(cell, config) for column, cell in cells.items() if fnmatch.fnmatchcase(column, pattern)]
        while found and not found[-1]:
            found.pop()
        steps = [[value] for value in found]
        yield Series(f"{name}, row {number}", "", steps, [cells[config.label]], [cells[decides]] if decides else [])


def _known(value: str, config: SeriesConfig) -> str:
    """A value, empty if it stands for a missing one."""
    return plain_cell(" ".join(value.split()), config.marks)
