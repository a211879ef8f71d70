"""Client part of the modality tabular: rows to the flatbuffer's input. It needs numpy alone.

A file is a CSV: with a header, of which the columns of the model are taken by the manifest's `headers` or `columns`, or
without one, its cells in the order of `columns`; between the cells are commas, semicolons, tabs or |. Each row is an
example; with a header it is called FILE:LINE. Rows that can't be taken are named when all others are answered.
"""

from __future__ import annotations

import csv
import datetime
import itertools
import math
import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Take the blanks around each cell away, and of several within it leave one. A cell that, in small letters, is in "
    "`missing_values` is empty, but for a category. A number loses one of `units` before and behind it, and its "
    "`thousands` where these part its digits by three; a `decimal` comma becomes a point. It has digits from 0 to 9, "
    "with or without sign, point and exponent, and is none beyond float32. A number or date may be empty if `inputs` "
    "has an entry `missing` of its column. For each entry of `inputs` one float32, in their order. number: the cell's "
    "value minus `mean`, divided by `stddev`, all doubles, rounded to float32; 0 if the cell is empty. "
    "missing: 1 if the cell is empty, else 0. category: the cell's place in `categories`, from 0; "
    "their number if it is not there. days: as number, of the days "
    "from 2000-01-01 to the cell's date (YYYY-MM-DD, what follows is ignored). year sin, year cos, week sin, week cos: "
    "of 2 pi days / 365.25 and 2 pi days / 7."
)
FIRST_DAY = datetime.date(2000, 1, 1).toordinal()
TURNS = {"year": 365.25, "week": 7.0}
# The packages that it imports besides numpy.
REQUIRES = ()
# Of the manifest's `preprocessing`; below, what of it `preprocess` takes.
FIELDS = {
    "columns": [str],
    "headers": [str],
    "inputs": [{"column": str, "kind": str, "mean": float, "stddev": float, "categories": [str]}],
    "missing_values": [str],
    "thousands": str,
    "decimal": str,
    "units": [str],
}
FILES = "CSV"
KINDS = ("number", "days", "category", "missing", "year sin", "year cos", "week sin", "week cos")
PARAMETERS = ("inputs", "missing_values", "thousands", "decimal", "units")
# For Python and for RE2: a number with a unit before or behind it; with digits parted by three; with a comma.
UNITED = r"([+-]?)(?:UNITS)? ?([+-]?[0-9.,'][0-9.,' ]*?(?:[eE][+-]?[0-9]+)?) ?(?:UNITS)?"
GROUPED = r"[+-]?[0-9]{1,3}(SEPARATOR[0-9]{3})+(DECIMAL[0-9]*)?"
COMMA = r"[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?"
# What the served model reads as numbers: Python's float would take 1_000, inf and digits of other scripts, too.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4028235e38
SEPARATORS = ",;\t|"
# Characters of a cell, and rows that a message names.
LONGEST, NAMED = 1 << 24, 10


class NotARowError(ValueError):
    """What can't be taken for an example; the message names the file, the row and the column."""


ERROR = NotARowError


class Reader:
    """Reads rows."""

    dtype = "float32"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        for one in settings["inputs"]:
            if one["column"] not in settings["columns"] or one["kind"] not in KINDS:
                raise ValueError(
                    f"one of its `inputs` is of the column {one['column']!r} and of the kind {one['kind']!r}; allowed "
                    f"are the `columns`, and {', '.join(KINDS)}"
                )
        if len(settings["headers"]) != len(settings["columns"]):
            raise ValueError("it has not one of `headers` for each of `columns`")
        self._columns: list[str] = settings["columns"]
        self._headers: list[str] = settings["headers"]
        self._settings = {key: settings[key] for key in PARAMETERS}
        self.shape = (len(settings["inputs"]),)

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each row as an example. Raises NotARowError, behind all that can be taken: a row or the file can't."""
        wrong = []
        try:
            for name, row in rows(path, self._columns, self._headers):
                if isinstance(row, NotARowError):
                    wrong.append(str(row))
                    continue
                try:
                    made = preprocess(row, **self._settings)
                except NotARowError as error:
                    wrong.append(f"{name}: {error}")
                else:
                    yield name, made
        except NotARowError as error:
            raise NotARowError("\n".join([*wrong[:NAMED], f"{path}: {error}"])) from error
        if wrong:
            more = [f"and {len(wrong) - NAMED} rows more"] if len(wrong) > NAMED else []
            raise NotARowError("\n".join(wrong[:NAMED] + more))


def preprocess(
    row: dict[str, str],
    inputs: list[dict[str, Any]],
    missing_values: Collection[str] = (),
    thousands: str = "",
    decimal: str = ".",
    units: Collection[str] = (),
) -> NDArray[np.float32]:
    """Cells by column to what the flatbuffer takes, float32 [inputs]. Raises NotARowError."""
    may_miss = {one["column"] for one in inputs if one["kind"] == "missing"}
    made = []
    for one in inputs:
        column, kind = one["column"], one["kind"]
        cell = " ".join(row[column].split())
        if kind != "category":
            cell = plain(cell, missing_values, *((thousands, decimal, units) if kind == "number" else ()))
            if not cell and column not in may_miss:
                raise NotARowError(f"column {column}: {row[column]!r} is no value, and in training none was missing")
        made.append(_number(cell, one))
    return np.array(made, np.float32)


def plain(
    cell: str, missing_values: Collection[str], thousands: str = "", decimal: str = ".", units: Collection[str] = ()
) -> str:
    """A cell of numbers or dates: empty for a missing value (they are in small letters), a number as float() has it."""
    if cell.lower() in missing_values:
        return ""
    if units:
        cell = re.sub(_united(tuple(units)), r"\1\2", cell)
    if thousands and re.fullmatch(_grouped(thousands, decimal), cell):
        cell = cell.replace(thousands, "")
    return cell.replace(",", ".") if decimal == "," and re.fullmatch(COMMA, cell) else cell


@lru_cache
def _united(units: tuple[str, ...]) -> str:
    """The pattern of a number with one of these units; the number is its groups one and two."""
    ends = "|".join(re.escape(unit) for unit in sorted(units, key=len, reverse=True))
    return r"\A" + UNITED.replace("UNITS", ends) + r"\Z"


@lru_cache
def _grouped(thousands: str, decimal: str) -> str:
    """The pattern of a number with its thousands parted."""
    return GROUPED.replace("SEPARATOR", re.escape(thousands)).replace("DECIMAL", re.escape(decimal))


def _number(cell: str, one: dict[str, Any]) -> np.float32:
    """One of the model's inputs."""
    kind = one["kind"]
    if kind == "missing":
        return np.float32(cell == "")
    if kind == "category":
        known = one["categories"]
        return np.float32(known.index(cell) if cell in known else len(known))
    if kind == "number":
        if cell and not (NUMBER.fullmatch(cell) and abs(float(cell)) <= LARGEST):
            raise NotARowError(f"column {one['column']}: {cell!r} is no finite number")
        value = float(cell or "nan")
    else:
        value = days(cell, one["column"])
    if kind in ("number", "days"):
        return np.float32(0 if math.isnan(value) else (value - one["mean"]) / one["stddev"])
    period, wave = kind.split()
    turn = 2 * math.pi * value / TURNS[period]
    return np.float32(0 if math.isnan(value) else math.sin(turn) if wave == "sin" else math.cos(turn))


def days(cell: str, column: str) -> float:
    """Days from 2000-01-01 to a date; NaN of an empty cell."""
    if not cell:
        return math.nan
    try:
        if cell[4:5] + cell[7:8] != "--":  # Python 3.11 knows more ways to write a date
            raise ValueError
        return float(datetime.date.fromisoformat(cell[:10]).toordinal() - FIRST_DAY)
    except ValueError as error:
        raise NotARowError(f"column {column}: {cell!r} is no date; write YYYY-MM-DD") from error


def rows(
    path: str | Path, columns: list[str], headers: list[str] | None = None
) -> Iterator[tuple[str, dict[str, str] | NotARowError]]:
    """The rows of a CSV, each with what it is called, or with what is wrong with it.

    Args:
      path: of the file.
      columns: of the model, in the order of the cells if the file has no header.
      headers: what a header calls each of them, besides that.

    Raises:
      NotARowError: it is no CSV.
    """
    csv.field_size_limit(LONGEST)
    headers = headers or columns
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            skipped = int(re.fullmatch("sep=.\r?\n", first) is not None)
            separator, first = (first[4], file.readline()) if skipped else (_separator(first, columns, headers), first)
            reader = csv.reader(itertools.chain([first], file), delimiter=separator, strict=True)
            header: list[str] = []
            begin = 1
            for cells in reader:
                line, begin = begin, reader.line_num + 1
                name = f"{path}:{line + skipped}"
                if not any(cell.strip() for cell in cells):
                    continue
                found = _header(cells, columns, headers) if line == 1 else []
                if found:
                    header = found
                elif len(cells) != len(header or columns):
                    expected = len(header or columns)
                    yield name, NotARowError(f"{name}: {len(cells)} cells, expected {expected}")
                else:
                    row = dict(zip(header or columns, cells))  # noqa: B905 (`strict` is too new for many devices)
                    yield name if header else str(path), row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NotARowError(f"no CSV that can be read ({error})") from error


def _header(cells: list[str], columns: list[str], headers: list[str]) -> list[str]:
    """The first row's cells as names of columns; nothing if it is no header."""
    names = [cell.strip() for cell in cells]
    if set(headers) <= set(names):
        called = dict(zip(headers, columns))  # noqa: B905
        return [called.get(name, name) for name in names]
    return names if set(columns) <= set(names) else []


def _separator(line: str, columns: list[str], headers: list[str]) -> str:
    """Return the separator of a file's first line: a header with the columns, or a row of as many cells."""
    cells = {one: next(csv.reader([line], delimiter=one), []) for one in SEPARATORS}
    named = [one for one in SEPARATORS if _header(cells[one], columns, headers)]
    return next(iter([*named, *(one for one in SEPARATORS if len(cells[one]) == len(columns))]), ",")
