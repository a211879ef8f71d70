"""The `data` and `split` sections of an experiment, and the base of every other section."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data import plugins

SPLITS = ("train", "eval", "test")
TASKS = "data.tasks"


class Strict(BaseModel):
    """Base of all configuration: frozen, unknown keys refused, defaults held to the same rules."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def canonical(self) -> str:
        """The same configuration always gives the same JSON bytes: it is part of cache keys."""
        import json

        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


class DataConfig(Strict):
    """What the examples are and where they lie; a modality adds its own fields."""

    modality: str = Field(description="What an example is: the name of a file in data/modalities.")
    task: str = Field("classification", description="What is asked of it: the name of a file in data/tasks.")
    normal: tuple[str, ...] = Field((), description="Of task: anomaly: the labels of normal examples.")
    path: str | None = Field(None, description="Folder of the data; a relative path is taken from the experiment file.")
    sample: str | None = Field(None, description="A data set that comes with modelmill, instead of `path`.")
    csv: str | None = Field(
        None,
        description="A CSV in the data folder with the columns path, label (else the file's folder is the label) and "
        "any further ones: they become features, and may be named in evaluate.slices.",
    )
    schema_file: str | None = Field(
        None, description="Curated TFDV schema (schema.pbtxt); inferred from the train split if absent."
    )
    max_bad_fraction: float = Field(
        0, ge=0, lt=1, description="Share of files that may hold no example: they are dropped, counted and listed."
    )
    conflicts: Literal["refuse", "drop", "keep"] = Field(
        "refuse",
        description="Equal examples with different labels, or in different splits: stop, or drop. Of different labels "
        "none is kept; of different splits those in test, else in eval. keep: different labels are allowed.",
    )

    def outside(self) -> dict[str, str]:
        """The fields that name files which preprocessing begins with (see data/outside.py), and what they name.

        A changed file preprocesses anew: their content counts in the cache's key.
        """
        return {}

    def look(self) -> None:
        """Looks at these files before anything runs, without TensorFlow.

        Raises:
          ValueError, FileNotFoundError: one is not what it should be.
        """

    @field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        if task not in plugins.names(TASKS):
            raise ValueError(plugins.unknown("task", task, plugins.names(TASKS)))
        return task

    @model_validator(mode="after")
    def _says_what_is_normal(self) -> Self:
        if bool(self.normal) != (self.task == "anomaly"):
            raise ValueError(f"'normal' belongs to task: anomaly, and that needs it; found {list(self.normal)}")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.sample is None):
            raise ValueError("give either 'path' (a folder) or 'sample' (a data set that comes with modelmill)")
        return self


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
