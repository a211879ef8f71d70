"""The `split` section of an experiment: which examples are for training, for choosing and for the test."""

from __future__ import annotations

import datetime
import functools
import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data import numeric_cells
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict

SPLITS = ("train", "eval", "test")
# Cells of a column of times. Not 12/31/2023: some write the day first, others the month.
TIMES = "numbers, YYYY-MM-DD and DD.MM.YYYY, with or without a time (T12:30:00) and its zone (Z, +02:00)"
_DATE = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?|"
    r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}))(?P<time>[T ]\d.*|)",
    re.ASCII,
)


class BadSplitError(ValueError):
    """An example that falls into no split; the message names it."""


class SplitConfig(Strict):
    """Which examples are for training, for choosing (eval) and for the last judgement (test).

    Shares are hash buckets, of the content (equal content, equal split) or of the group. Where splits are given,
    by folders train/, eval/ and test/ above the class folders or by a column of the CSV, shares mean nothing.
    """

    train: int = Field(14, ge=1, le=1000, description="Share.")
    eval: int = Field(3, ge=1, le=1000, description="Share.")
    test: int = Field(3, ge=1, le=1000, description="Share.")
    by: Literal["content", "folder", "column", "group", "time"] = Field("content", description="What decides.")
    column: str | None = Field(
        None, description="Of the table: holds the split (by: column), the group (by: group) or the time (by: time)."
    )
    eval_from: str | None = Field(None, description="By time: from then on eval: a date or a number.")
    test_from: str | None = Field(None, description="By time: from then on test.")
    pattern: str | None = Field(
        None, description="Regular expression, found in the path; its first group, or all of it, is the group."
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"it should be a regular expression ({error})") from error
        return pattern

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.by == "column" and self.column is None:
            raise ValueError("by: column needs 'column', the one that holds train, eval or test")
        if self.by == "group" and (self.column is None) == (self.pattern is None):
            raise ValueError("by: group needs either 'column' (of the CSV) or 'pattern' (found in the path)")
        if (self.by == "time") != (None not in (self.eval_from, self.test_from)):
            raise ValueError("by: time, eval_from and test_from belong together; give all three, and the column")
        if self.by == "time" and self.column is None:
            raise ValueError("by: time needs 'column', the one that holds the time")
        if self.by == "time":
            first, second = (self._bound(name) for name in ("eval_from", "test_from"))
            if first[0] != second[0] or first >= second:
                raise ValueError(f"eval_from ({self.eval_from}) must be before test_from ({self.test_from})")
        if self.column is not None and self.by not in ("column", "group", "time"):
            raise ValueError(f"by: {self.by} takes no 'column'; did you mean by: column or by: group?")
        if self.pattern is not None and self.by != "group":
            raise ValueError(f"by: {self.by} takes no 'pattern'; did you mean by: group?")
        return self

    @property
    def decides(self) -> str | None:
        """The column of a table that says in which split a row is, if one does."""
        return self.column if self.by in ("column", "group", "time") else None

    def decided(self, cell: str, place: str) -> tuple[str | None, str | None]:
        """The split, or else the group, of a cell of the column. Raises BadSplitError, which names the place.

        Without a column `cell` is the name of what the modality keeps together, such as the windows of one series.
        """
        if not cell:
            raise BadSplitError(f"{place}: the cell of {self.column!r} is empty, but it decides on the split")
        if self.by not in ("column", "time"):
            return None, cell
        if self.by == "column":
            if cell not in SPLITS:
                raise BadSplitError(f"{place}: {self.column!r}: {plugins.unknown('split', cell, SPLITS)}")
            return cell, None
        bounds = [self._bound("eval_from"), self._bound("test_from")]
        try:
            moment = _moment(cell)
        except ValueError as error:
            raise BadSplitError(f"{place}: {self.column!r} decides on the split by time: {error}") from error
        if moment[0] != bounds[0][0]:
            raise BadSplitError(f"{place}: {self.column!r} holds {cell!r}, no such time as {self.eval_from!r}")
        return SPLITS[sum(moment >= bound for bound in bounds)], None

    def _bound(self, name: str) -> tuple[bool, float]:
        """When eval or test begins. Raises ValueError."""
        try:
            return _moment(str(getattr(self, name)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def shares(self) -> dict[str, int]:
        """Hash buckets by split, in the order of SPLITS."""
        return {name: getattr(self, name) for name in SPLITS}


@functools.lru_cache(1024)
def _moment(text: str) -> tuple[bool, float]:
    """Whether it is a number, and that number or the seconds since 1970; without a time zone in UTC.

    Raises:
      ValueError: it is neither a number nor a date.
    """
    if numeric_cells.is_number(text):
        return True, float(text)
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(f"found {text!r}; allowed are {TIMES}")
    year, month, day = (found[name] or found[name[0]] for name in ("year", "month", "day"))
    try:
        moment = datetime.datetime.fromisoformat(f"{year}-{month:0>2}-{day or 1:0>2}{found['time']}")
    except ValueError as error:
        raise ValueError(f"found {text!r} ({error}); allowed are {TIMES}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return False, moment.timestamp()
