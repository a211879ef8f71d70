"""The cells of a table's row as features, and what is wrong with those that are none. Free of TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelmill.data import numeric_cells
from modelmill.data.modalities.tabular import client
from modelmill.data.spec import BadExampleError

if TYPE_CHECKING:
    from modelmill.data.modalities.tabular.config import TabularConfig

# Of cells that can't be used, so many are named besides the first.
SHOWN = 9
# What may be said of a number that is not written as 1234.5.
_SETTINGS = {
    numeric_cells.Notation(","): "thousands: ','",
    numeric_cells.Notation("", ","): "decimal: ','",
    numeric_cells.Notation(".", ","): "thousands: '.' and data.decimal: ','",
    numeric_cells.Notation(" "): "thousands: ' '",
    numeric_cells.Notation(" ", ","): "thousands: ' ' and data.decimal: ','",
    numeric_cells.Notation("'"): 'thousands: "\'"',
}


def plain(row: dict[str, str], config: TabularConfig) -> dict[str, str]:
    """The cells by column; those of numbers and dates as `client.plain` has them."""
    found = {column: row[column] for column in (*config.inputs, *config.also)}
    for column in (*config.numeric, *config.dates):
        notation = config.notation if column in config.numeric else numeric_cells.PLAIN
        found[column] = numeric_cells.plain_cell(" ".join(row[column].split()), config.marks, notation)
    return found


def values(
    plain: dict[str, str], row: dict[str, str], config: TabularConfig
) -> tuple[dict[str, float | str], list[str]]:
    """Features of a row, and what is wrong with its cells.

    Args:
      plain: see above.
      row: the cells as they stand in the file, for messages.
      config: says what the columns hold, and which may lack a value.
    """
    found: dict[str, float | str] = {}
    wrong = []
    for column, cell in plain.items():
        if cell == "" and column in config.missing:
            continue
        if cell == "":
            what = f"is {row[column]!r}, a missing value" if row[column] else "is empty"
            wrong.append(f"the cell of {column!r} {what}; fill it, or name it in data.missing")
        elif column in config.numeric and not numeric_cells.is_number(cell):
            wrong.append(f"{column!r} holds {row[column]!r}, no finite number; {_advice(row[column])}")
        elif column in config.dates and (problem := _no_date(cell, column)):
            wrong.append(problem)
        else:
            found[column] = float(cell) if column in config.numeric else cell
    return found, wrong


def further(wrong: list[str], number: int, rows: Iterator[tuple[int, dict[str, str]]], config: TabularConfig) -> str:
    """What else is wrong with the cells of a row, and with those of all rows behind it; "" if nothing is.

    Args:
      wrong: with the row itself.
      number: of the row.
      rows: the others, with their numbers.
      config: as of `values`.
    """
    found = [f"row {number}: {problem}" for problem in wrong]
    try:
        for place, row in rows:
            found += [f"row {place}: {problem}" for problem in values(plain(row, config), row, config)[1]]
    except BadExampleError as error:
        found.append(str(error))
    shown = "; ".join(problem.partition(";")[0] for problem in found[:SHOWN])
    rest = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f" ({len(found)} further: {shown}{rest})" if found else ""


def _advice(cell: str) -> str:
    """What to do about a cell that is no number."""
    cell = " ".join(cell.split())
    for notation, setting in _SETTINGS.items():
        if numeric_cells.is_number(numeric_cells.plain_cell(cell, (), notation)):
            return f"set data.{setting}, or write it as 1234.5"
    unit = numeric_cells.unit(cell)
    if unit:
        return f"set data.units: [{json.dumps(unit, ensure_ascii=False)}], or write it as 1234.5"
    return "leave the cell empty if unknown, or name it in data.missing_values"


def _no_date(cell: str, column: str) -> str:
    """What is wrong with a date; "" if nothing is."""
    try:
        client.days(cell, column)
    except client.NotARowError as error:
        return str(error)
    return ""
