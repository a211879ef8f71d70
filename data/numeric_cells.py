"""Cells of tables and series as numbers: what the served model reads of a row, in TensorFlow, and its Python twins.

The clients, which are pushed as they stand, have copies that a test compares: they import nothing of modelmill.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

# From 1 March of the year 0 to 2000-01-01, in the calendar of today.
_DAYS_BEFORE = 730425
# What Python and TensorFlow read alike: not 1_000 nor digits of other scripts, which are numbers to Python alone.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4028235e38
FIRST_DAY = datetime.date(2000, 1, 1).toordinal()
# Days of a turn of the waves that a date becomes.
TURNS = {"year": 365.25, "week": 7.0}
# For Python and for RE2: a number with a unit before or behind it; with digits parted by three; with a comma.
UNITED = r"([+-]?)(?:UNITS)? ?([+-]?[0-9.,'][0-9.,' ]*?(?:[eE][+-]?[0-9]+)?) ?(?:UNITS)?"
GROUPED = r"[+-]?[0-9]{1,3}(SEPARATOR[0-9]{3})+(DECIMAL[0-9]*)?"
COMMA = r"[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?"
# Features of transformed examples: the mean in two parts, since an example holds float32 only.
STATISTICS = ("mean", "mean_rest", "stddev")
# Cells of numbers and dates that stand for a missing value, in any case; further ones: data.missing_values.
MISSING = ("nan", "na", "n/a", "#n/a", "nil", "null", "none", "?", ".", "-")


# Before a number stands a sign or the code of a currency; a letter there makes a name of it, such as C-17.
_SIGN, _CODE, _WORD = r"[^\w\s.,+'-]{1,2}", r"[A-Z]{3} ", r"[^\W\d_]{1,4}"
_WITH_UNIT = re.compile(
    rf"[+-]?({_SIGN}|{_CODE})? ?[+-]?(?:[0-9][0-9.,' ]*?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)? ?({_SIGN}|{_WORD})?"
)


class Notation(NamedTuple):
    """A notation of numbers.

    Attributes:
      thousands: what parts their digits by three, or "".
      decimal: what stands before the decimals: a point or a comma; a point is always understood.
      units: what may stand before or behind a number, such as $ or kg.
    """

    thousands: str = ""
    decimal: str = "."
    units: tuple[str, ...] = ()

    def settings(self) -> dict[str, str | tuple[str, ...]]:
        """Return the fields of a `data` section, and of a manifest."""
        return {"thousands": self.thousands, "decimal": self.decimal, "units": self.units}


@cache
def _united(units: tuple[str, ...]) -> str:
    """The pattern of a number with one of these units; the number is its groups one and two."""
    ends = "|".join(re.escape(unit) for unit in sorted(units, key=len, reverse=True))
    return UNITED.replace("UNITS", ends)


@cache
def _grouped(thousands: str, decimal: str) -> str:
    """The pattern of a number with its thousands parted."""
    return GROUPED.replace("SEPARATOR", re.escape(thousands)).replace("DECIMAL", re.escape(decimal))


PLAIN = Notation()


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number, of a size that float32 has."""
    return bool(NUMBER.fullmatch(cell)) and abs(float(cell)) <= LARGEST


def unit(cell: str) -> str:
    """Return what stands before or behind the digits of a cell, such as $ or kg; "" if nothing does."""
    found = _WITH_UNIT.fullmatch(cell)
    before, behind = found.groups(default="") if found else ("", "")
    return "" if before and behind else (before or behind).strip()


def plain_cell(cell: str, missing: Collection[str], notation: Notation = PLAIN) -> str:
    """Return one cell as `plain` gives it, without TensorFlow; `missing` holds small letters."""
    if cell.lower() in missing:
        return ""
    if notation.units:
        cell = re.sub(rf"\A{_united(notation.units)}\Z", r"\1\2", cell)
    if notation.thousands and re.fullmatch(_grouped(notation.thousands, notation.decimal), cell):
        cell = cell.replace(notation.thousands, "")
    return cell.replace(",", ".") if notation.decimal == "," and re.fullmatch(COMMA, cell) else cell


def day_number(cell: str) -> float | None:
    """Return one date as `days` gives it, without TensorFlow; None if the cell holds no date YYYY-MM-DD."""
    if cell[4:5] + cell[7:8] != "--":  # Python 3.11 knows more ways to write a date
        return None
    try:
        return float(datetime.date.fromisoformat(cell[:10]).toordinal() - FIRST_DAY)
    except ValueError:
        return None


def cleaned(cells: tf.Tensor) -> tf.Tensor:
    """string [batch] without blanks around, and one for several: as `rows.line` writes them."""
    import tensorflow as tf

    return tf.strings.regex_replace(tf.strings.strip(cells), r"\s+", " ")


def plain(cells: tf.Tensor, missing: Sequence[str], notation: Notation = PLAIN) -> tf.Tensor:
    """string [batch] as `client.plain` gives it: "" for a missing value, a number as float() takes it."""
    import tensorflow as tf

    def replaced(cells: tf.Tensor, where: str, what: str, by: str) -> tf.Tensor:
        fits = tf.strings.regex_full_match(cells, where)
        return tf.where(fits, tf.strings.regex_replace(cells, what, by), cells)

    marks = tf.constant(list(missing))
    marked = tf.reduce_any(tf.strings.lower(cells, "utf-8")[:, tf.newaxis] == marks, axis=1)
    if notation.units:
        cells = tf.strings.regex_replace(cells, rf"\A{_united(notation.units)}\z", r"\1\2")
    if notation.thousands:
        pattern = _grouped(notation.thousands, notation.decimal)
        cells = replaced(cells, pattern, re.escape(notation.thousands), "")
    if notation.decimal == ",":
        cells = replaced(cells, COMMA, ",", ".")
    return tf.where(marked, "", cells)


def marks(values: Sequence[str]) -> tuple[str, ...]:
    """MISSING and `values` as `plain` compares them."""
    return tuple(dict.fromkeys((*MISSING, *(" ".join(value.split()).lower() for value in values))))


def number(cells: tf.Tensor) -> tf.Tensor:
    """string [batch] to float64; NaN of an empty one. Fails on what is no number."""
    import tensorflow as tf

    return tf.strings.to_number(tf.where(cells == "", "nan", cells), tf.float64)


def days(cells: tf.Tensor) -> tf.Tensor:
    """Dates YYYY-MM-DD, string [batch], to days since 2000-01-01, float64; NaN of an empty one.

    By the calendar's own arithmetic, the year beginning in March (H. Hinnant, chrono-compatible low-level date
    algorithms): TensorFlow has no dates.
    """
    import tensorflow as tf

    empty = cells == ""
    dates = tf.where(empty, "2000-01-01", cells)
    year, month, day = (
        tf.strings.to_number(tf.strings.substr(dates, *at), tf.int64) for at in ((0, 4), (5, 2), (8, 2))
    )
    year -= tf.cast(month <= 2, tf.int64)
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    passed = 365 * year + year // 4 - year // 100 + year // 400 + in_year
    return tf.where(empty, tf.constant(math.nan, tf.float64), tf.cast(passed - _DAYS_BEFORE, tf.float64))


def wave(days: tf.Tensor, kind: str) -> tf.Tensor:
    """`year sin` and the like: float32, of days float64."""
    import tensorflow as tf

    period, name = kind.split()
    turn = 2 * math.pi * days / TURNS[period]
    return tf.cast(tf.sin(turn) if name == "sin" else tf.cos(turn), tf.float32)


def normalised(values: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Part of a TFT preprocessing function: numbers as deviations from their mean over the train split.

    All is reckoned in float64 until the deviations are divided: float32 holds neither the seconds of a day beside those
    since 1970, nor the metres of a street beside those of a country.

    Args:
      values: float64 [batch, ..., n]; NaN where there is none.

    Returns:
      float32 of the same shape, 0 where there is no number; and, for the transformed examples, from where the model's
      Spec has them by `statistics`, of the mean the float32 next to it and what is missing to it, and the standard
      deviation, each float32 [batch, n].
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    between = list(range(1, values.shape.rank - 1))
    known = tf.math.is_finite(values)

    def total(one: tf.Tensor) -> tf.Tensor:
        """Over all examples and places between, float64 [n]."""
        found = tf.where(known, one, tf.zeros([], tf.float64))
        return tft.sum(tf.reduce_sum(found, axis=between), reduce_instance_dims=False)

    count = tf.maximum(total(tf.ones_like(values)), 1.0)
    exact = total(values) / count
    near = tf.cast(exact, tf.float32)
    rest = tf.cast(exact - tf.cast(near, tf.float64), tf.float32)
    mean = tf.cast(near, tf.float64) + tf.cast(rest, tf.float64)
    variance = total(tf.math.squared_difference(values, mean)) / count
    stddev = tf.cast(tf.where(variance > 0, tf.sqrt(variance), 1.0), tf.float32)
    size = tf.shape(values)[0]
    stored = zip(STATISTICS, (near, rest, stddev), strict=True)
    scaled = tf.cast((values - mean) / tf.cast(stddev, tf.float64), tf.float32)
    return tf.where(known, scaled, 0.0), {name: tf.repeat(one[tf.newaxis], size, 0) for name, one in stored}


def statistics(example: bytes, count: int) -> list[tuple[float, float]]:
    """Return mean and standard deviation of each of `count` numbers, of a transformed example (see `normalised`)."""
    import tensorflow as tf

    floats = tf.io.FixedLenFeature([count], tf.float32)
    found = tf.io.parse_single_example(example, dict.fromkeys(STATISTICS, floats))
    near, rest, stddev = (found[name].numpy().astype(float) for name in STATISTICS)
    return list(zip((near + rest).tolist(), stddev.tolist(), strict=True))
