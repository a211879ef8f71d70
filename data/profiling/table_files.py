"""What `modelmill new` finds in files that are tables: which files, which columns, and which of them is to be told."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from modelmill.data import task as tasks
from modelmill.data.core import plugins
from modelmill.data.numeric_cells import FIRST_DAY, MISSING, Notation, is_number, plain_cell
from modelmill.data.profiling import columns
from modelmill.data.profiling.columns import NEARLY, USUAL, Column, Sort
from modelmill.data.profiling.draft import Asked, NoProjectError
from modelmill.data.readers import labels_csv, tables
from modelmill.data.spec import CONTENT, DEFAULT, LABEL, PATH, BadExampleError
from modelmill.data.splits import SPLITS

# What the column of what is to be told is often called.
LABELS = ("label", "class", "target", "outcome", "category", "y")
# More different numbers than that are not classes, nor are more words.
CLASSES, MOST_CLASSES = 20, 500
# So much of a cell is shown.
CUT = 30
# What a person reads as a number: a currency, a percent sign, a bound, a unit, a decimal comma.
DECORATED = re.compile(r"[^\w\s]{0,2}\s*[+-]?\d[\d.,' ]*\s*([^\w\s]{1,2}|[A-Za-z]{1,3})?")
# Numbers that often mark a missing value, if they occur so often.
NINES, OFTEN = re.compile(r"-?9{2,}"), 3
RESERVED = ("row", LABEL, PATH, CONTENT)


def files(asked: Asked, suffixes: tuple[str, ...]) -> tuple[Path, str, list[Path]]:
    """The data folder, the glob of the files in it, and the files themselves.

    Args:
      asked: `data` is a folder with files of one kind in it, or in its folders of splits; or one file.
      suffixes: of files that will do.

    Raises:
      NoProjectError: there are none, or of more than one kind.
    """
    if asked.data.is_file():
        if not asked.data.name.endswith(suffixes):
            raise NoProjectError(f"--data {asked.data}: allowed are a folder, and files called {', '.join(suffixes)}")
        return asked.data.parent, re.sub(r"([*?\[])", r"[\1]", asked.data.name), [asked.data]
    folders = [asked.data / name for name in SPLITS] if asked.split.by == "folder" else [asked.data]
    found = [one for folder in folders for one in sorted(folder.iterdir()) if one.name.endswith(suffixes)]
    found = [one for one in found if one.is_file() and not one.name.startswith(".")]
    # The longest that fits: of x.csv.gz it is .csv.gz.
    kinds = sorted({max((end for end in suffixes if one.name.endswith(end)), key=len) for one in found})
    if len(kinds) != 1:
        what = f"it holds files of several kinds ({', '.join(kinds)}); give one file" if kinds else "it holds no table"
        raise NoProjectError(f"--data {asked.data}: {what}; allowed are files called {', '.join(suffixes)}")
    return asked.data, f"*{kinds[0]}", found


def look(found: list[Path], notation: Notation = USUAL) -> dict[str, Column]:
    """What is in the columns of the files, which are shards of one table. Raises NoProjectError."""
    headers: dict[str, list[str]] = {}

    def lines() -> Iterator[tuple[str, dict[str, str]]]:
        for path in found:
            for number, row in tables.read(os.fspath(path), path.name, None):
                headers.setdefault(path.name, list(row))
                yield f"row {number}" if len(found) == 1 else f"{path.name}, row {number}", row

    try:
        seen = columns.look(lines(), notation)
    except BadExampleError as error:
        raise NoProjectError(f"--data: {error}") from error
    for name, header in headers.items():
        if set(header) != set(seen):
            told = ", ".join(sorted(set(seen) - set(header)))
            raise NoProjectError(f"--data: {name} lacks the columns {told}, which the others have")
    if not seen:
        raise NoProjectError(f"--data {found[0]}: it has no rows")
    return seen


def label(asked: Asked, seen: dict[str, Column]) -> tuple[Column, str]:
    """The column of what is to be told, and why that one. Raises NoProjectError."""
    if asked.label is not None:
        if asked.label not in seen:
            raise NoProjectError(f"--label {asked.label}: there is no such column; allowed: {', '.join(seen)}")
        return seen[asked.label], "as asked"
    for name in seen:
        if name.lower() in LABELS:
            return seen[name], "by its name; another: --label"
    last = list(seen.values())[-1]
    if last.kind not in ("number", "category"):
        raise NoProjectError(f"--label: say which column is to be told; the columns are {', '.join(seen)}")
    return last, "the last column; another: --label"


def task(asked: Asked, column: Column) -> tuple[str, str]:
    """What is asked of an example, and why. Raises NoProjectError: the column holds no labels."""
    if column.missing:
        raise NoProjectError(
            f"--label {column.name}: {column.missing} of {column.rows} rows have none; fill or remove these rows"
        )
    numbers = column.kind == "number" and (column.distinct > CLASSES or column.whole < column.numbers.count)
    of_numbers = [name for name in plugins.names(tasks.PACKAGE) if tasks.look_up(name).NUMBERS]
    guessed = of_numbers[0] if numbers else DEFAULT
    if numbers and asked.task in (None, *of_numbers) and column.gaps:
        told = ", ".join(cells(sort) for sort in (column.marks, column.odd) if sort.count)
        raise NoProjectError(f"--label {column.name}: cells that are no numbers: {told}; fill or remove these rows")
    if asked.task in (None, guessed):
        what = f"{column.distinct:,} different numbers" if numbers else f"{column.distinct:,} different values"
        if numbers or 1 < column.distinct <= MOST_CLASSES:
            return guessed, f"{column.name} has {what}"
        raise NoProjectError(f"--label {column.name}: it has {what}, which are no classes; name another column")
    of_classes = [name for name in plugins.names(tasks.PACKAGE) if tasks.look_up(name).CLASSES]
    if asked.task not in (*of_classes, *of_numbers):
        known = " and ".join((*of_classes, *of_numbers))
        raise NoProjectError(f"--task {asked.task}: new knows {known}; docs/tasks.md has others")
    if asked.task in of_numbers and column.numbers.count < column.filled:
        raise NoProjectError(f"--task {asked.task}: the column {column.name} holds words")
    return asked.task, "as asked"


def rename(used: Collection[Column]) -> None:
    """Gives columns whose header is no name of a feature one that is."""
    taken = {one.name for one in used} | set(RESERVED)
    for place, column in enumerate(used, start=1):
        if labels_csv.NAME.fullmatch(column.name) and column.name not in RESERVED:
            continue
        plain = unicodedata.normalize("NFKD", column.name.casefold()).encode("ascii", "ignore").decode()
        name = re.sub(r"\W+", "_", plain).strip("_") or f"column_{place}"
        name = name if labels_csv.NAME.fullmatch(name) else f"c_{name}"
        free = (one for one in itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2))) if one not in taken)
        column.header, column.name = column.name, next(free)
        taken.add(column.name)


def renamed(used: Collection[Column]) -> dict[str, str]:
    """Return the value of `data.columns`."""
    return {one.name: one.header for one in used if one.header}


def renamed_lines(used: Collection[Column]) -> list[str]:
    """The lines of YAML for `columns`, if any are needed."""
    lines = [f"    {name}: {json.dumps(header, ensure_ascii=False)}" for name, header in renamed(used).items()]
    return ["  columns:    # what the header calls them", *lines] if lines else []


def cells(sort: Sort) -> str:
    """The first cells of a sort with their places, and how many more there are."""
    more = f" and {sort.count - len(sort.first):,} more" if sort.count > len(sort.first) else ""
    return ", ".join(f"{place} {_shown(cell)}".strip() for place, cell in sort.first) + more


def odd(used: Collection[Column]) -> list[str]:
    """For the screen: cells of columns of numbers and dates that are read as something else than they say."""
    told = []
    for column in used:
        of = f"of {column.rows:,} cells"
        if column.kind not in ("number", "date"):
            told += [f"{quoted(column.name)}: taken for categories, but {said}" for said in _nearly(column)]
            continue
        if column.marks.count:
            told.append(
                f"{quoted(column.name)}: {column.marks.count:,} {of} mark a missing value: {cells(column.marks)}"
            )
        if column.odd.count:
            told.append(
                f"{quoted(column.name)}: {column.odd.count:,} {of} are no {column.kind}s and read as missing, as "
                f"data.missing_values says: {cells(column.odd)}; write {column.kind}s there, or take them out of "
                "data.missing_values: then a run stops at them"
            )
        if column.kind == "number" and (said := _placeholders(column)):
            told.append(
                f"{quoted(column.name)}: {said}; if it marks a missing value, name it in data.missing_values, and the "
                "column in data.missing"
            )
        if column.kind == "number" and column.grouped.count:
            where = cells(column.grouped)
            how = "are read as data.thousands, decimal and units say"
            told.append(f"{quoted(column.name)}: {column.grouped.count:,} {of} {how}: {where}")
    return told


def _placeholders(column: Column) -> str:
    """A number of nines that stands apart from all others, and how often; "" if there is none."""
    counts: Counter[float] = Counter()
    for cell, count in column.values.items():
        plain = plain_cell(cell, MISSING, column.notation)
        if is_number(plain):
            counts[float(plain)] += count
    for number, count in counts.items():
        others = [one for one in counts if one != number]
        if len(others) < 2 or count < OFTEN or not NINES.fullmatch(f"{number:g}"):
            continue
        low, high = min(others), max(others)
        if min(abs(number - low), abs(number - high)) > high - low and not low < number < high:
            return f"{number:g} stands there {count:,} times, far from all others ({low:g} to {high:g})"
    return ""


def missing_values(used: Collection[Column]) -> list[str]:
    """What has to stand in `data.missing_values`."""
    return sorted({value for column in used for value in column.odd.values})


def missing_line(values: list[str]) -> list[str]:
    """The line of YAML for `missing_values`, if there are any."""
    written = json.dumps(values, ensure_ascii=False)
    return [f"  missing_values: {written}    # besides NaN, NA and the like: what is no value"] if values else []


def left_out(column: Column, why: str) -> str:
    """Why a column is not used, with an example of its cells, and what to write if it should be."""
    example = next(iter(column.values), "")
    told = [f"{quoted(column.name)}: {why}" + (f", such as {_shown(example)}" if example else ""), *_nearly(column)]
    decorated = sum(bool(DECORATED.fullmatch(value)) and not value.isdigit() for value in column.values)
    if column.kind == "name" and not column.numbers.count and decorated >= NEARLY * column.distinct:
        told.append("if they are numbers, write them without units and signs, as in 1234.5")
    return "; ".join(told)


def _nearly(column: Column) -> list[str]:
    """What keeps a column of mostly numbers, or dates, from being one."""
    found = []
    for name, sort in (("numbers", column.numbers), ("dates", column.dates)):
        others = [one for one in (column.numbers, column.dates, column.others) if one is not sort and one.count]
        if others and sort.count > column.known / 2:
            where = ", ".join(map(cells, others))
            found.append(f"{sort.count:,} of {column.known:,} cells are {name}, the others not: {where}")
    return found


def _shown(cell: str) -> str:
    """A cell in one line, cut if it is long."""
    return repr(cell if len(cell) <= CUT else f"{cell[:CUT]} ...")


def day(number: float) -> str:
    """Days since 2000 as a date."""
    return datetime.date.fromordinal(int(number) + FIRST_DAY).isoformat()


def quoted(text: str) -> str:
    """For YAML: in quotes where it could be something else."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)
