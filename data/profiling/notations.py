"""Guess the notation of a table's numbers from its cells: 1,234.5 or 1.234,5, $5 or 5 kg."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from modelmill.data.numeric_cells import MISSING, Notation, is_number, plain_cell, unit
from modelmill.data.profiling.columns import NEARLY, USUAL, Column

# The first of those that read most columns as numbers is taken.
KNOWN = (USUAL, Notation(".", ","), Notation(" ", ","), Notation("'", ","), Notation(" "), Notation("'"))
# Different cells of a column that are looked at.
LOOKED_AT = 1000


def guessed(seen: Iterable[Column]) -> Notation:
    """Return how the numbers in these columns are written."""
    columns = [
        [cell for cell in itertools.islice(one.values, LOOKED_AT) if cell.lower() not in MISSING] for one in seen
    ]
    units = tuple(sorted({found for cells in columns if (found := _unit(cells))}))

    def numeric(notation: Notation) -> int:
        return sum(_share(cells, notation._replace(units=units)) >= NEARLY for cells in columns)

    return max(KNOWN, key=numeric)._replace(units=units)


def _share(cells: list[str], notation: Notation) -> float:
    return sum(is_number(plain_cell(cell, (), notation)) for cell in cells) / max(1, len(cells))


def _unit(cells: list[str]) -> str:
    """The unit of nearly all cells of a column; a sign, such as $, also if it stands with some of the numbers only."""
    units = Counter(filter(None, map(unit, cells)))
    ((first, count),) = units.most_common(1) or [("", 0)]
    bare = sum(cell[:1].isdigit() and not unit(cell) for cell in cells)
    enough = count + (0 if first.isalpha() else bare) >= NEARLY * len(cells)
    return first if first and enough else ""
