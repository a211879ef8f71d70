"""The `split` section of an experiment: which examples are for training, for choosing and for the test."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data.core import plugins
from modelmill.data.core.config import Strict

SPLITS = ("train", "eval", "test")


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
    eval_from: str | None = Field(None, description="By time: from then on eval. Dates YYYY-MM-DD, or numbers.")
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
        if self.by == "time" and _moment(str(self.eval_from)) >= _moment(str(self.test_from)):
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
        """The split, or else the group, of a cell of the column. Raises BadSplitError, which names the place."""
        if not cell:
            raise BadSplitError(f"{place}: the cell of {self.column!r} is empty, but it decides on the split")
        if self.by == "group":
            return None, cell
        if self.by == "column":
            if cell not in SPLITS:
                raise BadSplitError(f"{place}: {self.column!r}: {plugins.unknown('split', cell, SPLITS)}")
            return cell, None
        bounds, moment = [_moment(str(one)) for one in (self.eval_from, self.test_from)], _moment(cell)
        if moment[0] != bounds[0][0]:
            raise BadSplitError(f"{place}: {self.column!r} holds {cell!r}, no such time as {self.eval_from!r}")
        return SPLITS[sum(moment >= bound for bound in bounds)], None

    def shares(self) -> dict[str, int]:
        """Hash buckets by split, in the order of SPLITS."""
        return {name: getattr(self, name) for name in SPLITS}


def _moment(text: str) -> tuple[bool, float, str]:
    """A number, or a date as text, whose order is that of time."""
    try:
        return True, float(text), ""
    except ValueError:
        return False, 0.0, text
