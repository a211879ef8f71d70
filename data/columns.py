"""What the columns of a table hold, by their cells: numbers, dates, categories, names of rows. Free of TensorFlow."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from data.cells import is_number
from data.clients import tabular as client

# What people write where there is nothing; a cell without a value has to be empty.
MARKERS = ("?", "-", "na", "n/a", "nan", "null", "none")
# So many different values are counted; a column of more has a different one in nearly every row, for all we know.
MOST = 100_000
# Strings of more characters than that, nearly all different, are prose.
PROSE = 60
# A name of a column which, with a different integer in each row, numbers the rows.
NUMBERING = re.compile(r"(.*[_ .-])?(id|index|nr|no|number|row|key)|unnamed.*|", re.IGNORECASE)
PADDED = re.compile(r"[+-]?0[0-9]+")


@dataclass
class Column:
    """What was seen of one column.

    Attributes:
      name: of it, in the header.
      rows: how many there are.
      missing: how many of its cells are empty.
      values: how often each cell occurs, of the first MOST different ones.
      numbers, dates: how many of the cells are one.
      whole: how many of the numbers are integers.
      low, high: of the numbers; of dates, days since 2000.
      characters: of all cells together.
    """

    name: str
    rows: int = 0
    missing: int = 0
    values: Counter[str] = field(default_factory=Counter)
    numbers: int = 0
    whole: int = 0
    dates: int = 0
    low: float = math.inf
    high: float = -math.inf
    characters: int = 0

    def add(self, cell: str) -> None:
        """One more cell."""
        self.rows += 1
        if not cell:
            self.missing += 1
            return
        if cell in self.values or len(self.values) < MOST:
            self.values[cell] += 1
        self.characters += len(cell)
        number = _number(cell)
        if number is not None:
            self.numbers += 1
            self.whole += number.is_integer()
        else:
            number = _days(cell)
            self.dates += number is not None
        if number is not None:
            self.low, self.high = min(self.low, number), max(self.high, number)

    @property
    def filled(self) -> int:
        """Cells that are not empty."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        """Different values, up to MOST."""
        return len(self.values)

    @property
    def kind(self) -> str:
        """number, date, category; or, of no use to a model: empty, constant, name (of a row) or prose."""
        if not self.filled:
            return "empty"
        if self.distinct == 1 and not self.missing:
            return "constant"
        if self.numbers == self.filled:
            numbering = self.whole == self.distinct == self.rows and self.high - self.low + 1 == self.rows
            return "name" if numbering and self.rows > 2 and NUMBERING.fullmatch(self.name) else "number"
        if self.dates == self.filled:
            return "date"
        if self.distinct > 0.5 * self.filled and self.filled > 20:
            return "prose" if self.characters / self.filled > PROSE else "name"
        return "category"

    @property
    def marked(self) -> dict[str, int]:
        """Cells of a column of numbers or dates that stand for nothing, such as '?', and how often."""
        found = {value: count for value, count in self.values.items() if value.lower() in MARKERS}
        rest = self.filled - sum(found.values())
        return found if found and rest and rest in (self.numbers, self.dates) else {}


def look(rows: Iterable[Mapping[str, str]]) -> dict[str, Column]:
    """What is in each column of some rows, in the order of the header."""
    found: dict[str, Column] = {}
    for cells in rows:
        for name, cell in cells.items():
            if name not in found:
                found[name] = Column(name)
            found[name].add(cell)
    return found


def numbered(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Of each beginning that several names share, with only a number behind it, how many there are: t1, t2, t3."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    yield from Counter(part.group(1) for part in parts if part).most_common()


def _number(cell: str) -> float | None:
    """Padded digits, such as 007, are a name."""
    return float(cell) if is_number(cell) and not PADDED.fullmatch(cell) else None


def _days(cell: str) -> float | None:
    try:
        return client.days(cell, "")
    except client.NotARowError:
        return None
