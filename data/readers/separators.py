"""The separator of a CSV's cells: set by the experiment, or guessed from the file."""

from __future__ import annotations

import csv
from typing import Literal, get_args

Separator = Literal["", ",", ";", "\t", "|"]
# The description of the field `separator` of a data section.
SEPARATOR = "What stands between the cells of a CSV; if it is empty, what its header shows."
SEPARATORS = tuple(filter(None, get_args(Separator)))
# So many lines are looked at.
SNIFFED = 10


def sniffed(lines: list[str], columns: list[str] | None, first: str) -> str:
    """Return what parts the cells of a CSV.

    Args:
      lines: the header and the first rows.
      columns: that the header must have, if it is known.
      first: the separator that the file's name stands for: it is taken where others would do as well.
    """
    rows = {one: list(csv.reader(lines, delimiter=one)) for one in dict.fromkeys((first, *SEPARATORS))}

    def suits(separator: str) -> tuple[bool, bool, int]:
        header, *others = rows[separator] or [[]]
        names = {cell.strip() for cell in header}
        # The last row may go on behind `lines`.
        even = all(len(row) == len(header) for row in others[:-1] if any(row))
        return columns is not None and set(columns) <= names, even and len(header) > 1, len(header)

    return max(rows, key=suits)
