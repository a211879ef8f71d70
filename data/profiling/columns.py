"""What the columns of a table hold, by their cells: numbers, dates, categories, names of rows. Free of TensorFlow."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from modelmill.data.numeric_cells import MISSING, Notation, day_number, is_number, plain_cell

# So many different values are counted; a column of more has a different one in nearly every row, for all we know.
MOST = 100_000
# A column is one of numbers, or of dates, if this share of its cells are, and the others are of few different values.
NEARLY, MOST_ODD = 0.9, 20
# How numbers are written in most tables.
USUAL = Notation(",")
# So many cells of a sort are remembered with their places.
NAMED = 5
# Strings of more characters than that, nearly all different, are prose.
PROSE = 60
# A name of a column which, with a different integer in each row, numbers the rows.
NUMBERING = re.compile(r"(.*[_ .-])?(id|index|nr|no|number|row|key)|unnamed.*|", re.IGNORECASE)
PADDED = re.compile(r"[+-]?0[0-9]+")


@dataclass
class Sort:
    """Cells of one sort.

    Attributes:
      count: of them.
      first: place and cell of the first NAMED.
      values: the different ones, up to one more than MOST_ODD.
    """

    count: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)
    values: set[str] = field(default_factory=set)

    def add(self, place: str, cell: str) -> None:
        """One more cell."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append((place, cell))
        if len(self.values) <= MOST_ODD:
            self.values.add(cell)


@dataclass
class Column:
    """What was seen of one column.

    Attributes:
      name: what an experiment calls it: as the header does, or by `header` if that is no name of a feature.
      header: what the header calls it; "" if that is its name.
      notation: how numbers are written.
      rows: how many there are.
      missing: how many of its cells are empty.
      values: how often each cell occurs, of the first MOST different ones.
      marks: cells that usually stand for a missing value, such as NaN.
      numbers: cells that are one in the notation of the table.
      grouped: those that are written otherwise than 1234.5.
      dates: cells that are one.
      others: cells that are none of these.
      whole: how many of the numbers are integers.
      low, high: of the numbers; of dates, days since 2000.
      characters: of all cells together.
    """

    name: str
    rows: int = 0
    missing: int = 0
    values: Counter[str] = field(default_factory=Counter)
    marks: Sort = field(default_factory=Sort)
    numbers: Sort = field(default_factory=Sort)
    grouped: Sort = field(default_factory=Sort)
    dates: Sort = field(default_factory=Sort)
    others: Sort = field(default_factory=Sort)
    whole: int = 0
    characters: int = 0
    header: str = ""
    notation: Notation = USUAL
    _bounds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, cell: str, place: str = "") -> None:
        """One more cell; `place` is what messages call its row."""
        self.rows += 1
        if not cell:
            self.missing += 1
            return
        if cell in self.values or len(self.values) < MOST:
            self.values[cell] += 1
        self.characters += len(cell)
        plain = plain_cell(cell, MISSING, self.notation)
        if not plain:
            self.marks.add(place, cell)
        elif (number := _number(plain)) is not None:
            self.numbers.add(place, cell)
            self.whole += number.is_integer()
            self._bound("number", number)
            if plain != cell:
                self.grouped.add(place, cell)
        elif (days := day_number(cell)) is not None:
            self.dates.add(place, cell)
            self._bound("date", days)
        else:
            self.others.add(place, cell)

    @property
    def filled(self) -> int:
        """Cells that are not empty."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        """Different values, up to MOST."""
        return len(self.values)

    @property
    def low(self) -> float:
        """The smallest of the numbers, or of the dates in days since 2000."""
        return self._bounds.get(self.kind, (math.inf, -math.inf))[0]

    @property
    def high(self) -> float:
        """The largest of them."""
        return self._bounds.get(self.kind, (math.inf, -math.inf))[1]

    @property
    def kind(self) -> str:
        """number, date, category; or, of no use to a model: empty, constant, name (of a row) or prose."""
        if not self.filled:
            return "empty"
        if self.distinct == 1 and not self.missing:
            return "constant"
        if self._nearly(self.numbers):
            low, high = self._bounds["number"]
            numbering = self.whole == self.distinct == self.rows and high - low + 1 == self.rows
            return "name" if numbering and self.rows > 2 and NUMBERING.fullmatch(self.header or self.name) else "number"
        if self._nearly(self.dates):
            return "date"
        if self.distinct > 0.5 * self.filled and self.filled > 20:
            return "prose" if self.characters / self.filled > PROSE else "name"
        return "category"

    @property
    def known(self) -> int:
        """Cells that are neither empty nor a mark."""
        return self.filled - self.marks.count

    @property
    def odd(self) -> Sort:
        """The cells of a column of numbers, or of dates, that are neither one nor a mark."""
        return self.others if self.kind in ("number", "date") else Sort()

    @property
    def gaps(self) -> int:
        """Cells without a value for the model: in columns of numbers and dates also the marks and what is odd."""
        return self.missing + (self.marks.count + self.odd.count if self.kind in ("number", "date") else 0)

    def _nearly(self, wanted: Sort) -> bool:
        """Whether nearly all cells that are not marks are of a sort, and the rest of few values that are no others'."""
        few = wanted.count + self.others.count == self.known and len(self.others.values) <= MOST_ODD
        return few and wanted.count > 0 and wanted.count >= NEARLY * self.known

    def _bound(self, kind: str, value: float) -> None:
        low, high = self._bounds.get(kind, (value, value))
        self._bounds[kind] = min(low, value), max(high, value)


def look(rows: Iterable[tuple[str, Mapping[str, str]]], notation: Notation = USUAL) -> dict[str, Column]:
    """What is in each column of some rows, each with what messages call it; in the order of the header."""
    found: dict[str, Column] = {}
    for place, cells in rows:
        for name, cell in cells.items():
            if name not in found:
                found[name] = Column(name, notation=notation)
            found[name].add(cell, place)
    return found


def numbered(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Of each beginning that several names share, with only a number behind it, how many there are: t1, t2, t3."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    yield from Counter(part.group(1) for part in parts if part).most_common()


def _number(cell: str) -> float | None:
    """Padded digits, such as 007, are a name."""
    return float(cell) if is_number(cell) and not PADDED.fullmatch(cell) else None
