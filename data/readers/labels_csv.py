"""Reads the CSV of a data folder: paths, labels and typed columns. Wrong rows are named by their line number."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelmill.data.core import files

PATH, LABEL = "path", "label"
NAMED = 10
Value = int | float | str
# Names of features in TFDV, Transform and TFMA, some of which take others for something else.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_PADDED = re.compile(r"[+-]?0[0-9]+")  # 007 is a name, not a number
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LARGEST = 2**63


class BadDataError(ValueError):
    """The data can't be used as the experiment says; the message says where, and what to do."""


@dataclass(frozen=True)
class Line:
    """A row of the CSV: `decides` is the cell of the column that decides on the split."""

    path: str
    label: str
    columns: Mapping[str, Value]
    decides: str | None


@dataclass(frozen=True)
class Table:
    """The rows, and of each further column whether it holds int, float or string."""

    lines: list[Line]
    kinds: dict[str, str]


def read(root: str, name: str, decides: str | None = None) -> Table:
    """Reads root/name.

    Args:
      root: the data folder, under which all paths must lie.
      name: of the CSV, in the data folder.
      decides: the column that decides on the split; it must be there, and no cell of it empty.

    Raises:
      BadDataError: with what is wrong, by line.
    """
    header, records = _records(root, name)
    _check_header(name, header, decides)
    problems: list[tuple[int, str]] = []
    sound: list[tuple[int, dict[str, str]]] = []
    seen: dict[str, int] = {}
    for number, cells in records:
        if len(cells) != len(header):
            problems.append((number, f"{len(cells)} cells, but the header has {len(header)}"))
            continue
        row = {key: cell.strip() for key, cell in zip(header, cells, strict=True)}
        found = _problem(root, row, seen, decides)
        if found:
            problems.append((number, found))
        else:
            seen[row[PATH]] = number
            sound.append((number, row))
    # What decides on the split is no feature: its values differ between the splits by design.
    kinds = {key: _kind([row[key] for _, row in sound]) for key in header if key not in (PATH, LABEL, decides)}
    for number, row in sound:
        for key, kind in kinds.items():
            if row[key] and kind != "string" and not math.isfinite(float(row[key])):
                problems.append((number, f"column {key!r} holds {row[key]}; leave the cell empty if it is unknown"))
    if problems:
        raise BadDataError(_told(name, problems))
    kinds = {key: kind for key, kind in kinds.items() if kind}
    return Table([_line(row, kinds, decides) for _, row in sound], kinds)


def header(root: str, name: str) -> list[str]:
    """The names of the columns. Raises BadDataError."""
    return _records(root, name)[0]


def _records(root: str, name: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and the further rows with the number of the line on which each begins; empty lines are left out."""
    if not files.inside(root, name) or os.path.isabs(name):
        raise BadDataError(f"data.csv: found {name!r}, which leads out of the data folder; put the CSV into {root}")
    try:
        text = files.read(os.path.join(root, name)).decode("utf-8-sig")
    except OSError as error:
        raise BadDataError(f"data.csv: {name} can't be read in {root} ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise BadDataError(f"{name}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        begin = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield begin, cells
                begin = reader.line_num + 1
        except csv.Error as error:
            raise BadDataError(f"{name}, line {reader.line_num}: {error}") from error

    rows = numbered()
    _, first = next(rows, (0, []))
    return [cell.strip() for cell in first], rows


def _check_header(name: str, header: list[str], decides: str | None) -> None:
    for key in (PATH, *([decides] if decides else [])):
        if key not in header:
            raise BadDataError(f"{name}: it has no column {key!r}; its columns are {', '.join(header)}")
    for key in header:
        if header.count(key) > 1:
            raise BadDataError(f"{name}: the column {key!r} stands twice in the header")
        if not NAME.fullmatch(key):
            raise BadDataError(f"{name}: the column name {key!r} should be letters, digits, _ and -, no digit first")


def _problem(root: str, row: dict[str, str], seen: dict[str, int], decides: str | None) -> str:
    """What is wrong with the path or the label, or nothing."""
    path = row[PATH]
    if not path:
        return "the path is empty"
    if path in seen:
        return f"{path} stands on line {seen[path]}, too"
    if "\0" in path or os.path.isabs(path) or not files.inside(root, path):
        return f"{path} leads out of the data folder; paths are relative to it, and stay in it"
    if not files.is_file(os.path.join(root, path)):
        return f"{path}: there is no such file"
    if not row.get(LABEL, os.path.basename(os.path.dirname(path))):
        return (
            "the label is empty" if LABEL in row else f"{path} lies in no class folder, and there is no column 'label'"
        )
    if decides and not row[decides]:
        return f"the cell of {decides!r} is empty, but it decides on the split"
    return ""


def _kind(cells: list[str]) -> str:
    """What the cells that are not empty hold; empty if all are."""
    cells = [cell for cell in cells if cell]
    if not cells:
        return ""
    if all(_INT.fullmatch(cell) and abs(int(cell)) < _LARGEST for cell in cells):
        return "int"
    numbers = all(_NUMBER.fullmatch(cell) and not _PADDED.fullmatch(cell) for cell in cells)
    return "float" if numbers else "string"


def _line(row: dict[str, str], kinds: dict[str, str], decides: str | None) -> Line:
    typed: dict[str, type[Value]] = {"int": int, "float": float, "string": str}
    label = row.get(LABEL) or os.path.basename(os.path.dirname(row[PATH]))
    columns = {key: typed[kind](row[key]) for key, kind in kinds.items() if row[key]}
    return Line(row[PATH], label, columns, row[decides] if decides else None)


def _told(name: str, problems: list[tuple[int, str]]) -> str:
    count = "1 wrong row" if len(problems) == 1 else f"{len(problems)} wrong rows"
    lines = [f"  line {number}: {text}" for number, text in sorted(problems)]
    more = [f"  and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return "\n".join([f"{name}: {count}; mend them in the CSV:", *lines[:NAMED], *more])
