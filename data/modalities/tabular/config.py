"""The `data` and `augment` sections of tables."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from modelmill.data import numeric_cells, policy
from modelmill.data.config import DataConfig
from modelmill.data.core import plugins
from modelmill.data.modalities.tabular.facts import TabularFacts
from modelmill.data.readers import labels_csv
from modelmill.data.readers.separators import SEPARATOR, Separator
from modelmill.data.spec import CONTENT, LABEL, PATH, Spec, narrow

INPUT = "row"


DATED = ("days", "year sin", "year cos", "week sin", "week cos")


class TabularConfig(DataConfig):
    """Which columns the model sees, and as what. Columns that are not named are not read."""

    modality: Literal["tabular"] = "tabular"
    files: str = Field("*.csv", description="Which files of the folder: a glob, such as part-*.parquet or */*.csv.gz.")
    label: str = Field("label", description="The column of what is to be told.")
    columns: dict[str, str] = Field(
        {}, description="What the files' header calls columns whose name here is another: name: header."
    )
    numeric: tuple[str, ...] = Field((), description="Columns of numbers.")
    categorical: tuple[str, ...] = Field((), description="Columns of words, or of numbers that are names.")
    dates: tuple[str, ...] = Field((), description="Columns of dates, YYYY-MM-DD with or without a time.")
    also: tuple[str, ...] = Field((), description="Columns that the model does not see: for slices and for splits.")
    missing: tuple[str, ...] = Field((), description="Columns whose cells may be empty; elsewhere that is an error.")
    missing_values: tuple[str, ...] = Field(
        (),
        description="Cells of numbers and dates that stand for a missing value, besides "
        f"{', '.join(numeric_cells.MISSING)}.",
    )
    separator: Separator = Field("", description=SEPARATOR)
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        "", description="What parts the digits of numbers by three, as in 1,234.5."
    )
    decimal: Literal[".", ","] = Field(".", description="What stands before the decimals; a point always may.")
    units: tuple[str, ...] = Field(
        (), description="What may stand before or behind a number, and is not part of it, such as $, % or kg."
    )
    max_categories: int = Field(1000, ge=1, description="Of a column: the most frequent; all others are one more.")
    conflicts: Literal["refuse", "drop", "keep"] = Field(
        "keep", description="Equal rows with different labels: stop, drop them, or keep them all."
    )

    @model_validator(mode="after")
    def _columns(self) -> Self:
        named = [self.label, *self.inputs, *self.also]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"the column {twice[0]!r} is named twice, of label, numeric, categorical, dates and also")
        if not self.inputs:
            raise ValueError("name at least one column that the model sees: numeric, categorical or dates")
        for name in (*self.inputs, *self.also):
            if name in (INPUT, LABEL, PATH, CONTENT) or not labels_csv.NAME.fullmatch(name):
                raise ValueError(
                    f"the column {name!r} should be called otherwise: letters, digits, _ and -, no digit first, and "
                    f"none of {INPUT}, {LABEL}, {PATH}, {CONTENT}; say in data.columns what the header calls it"
                )
        for name in self.columns:
            if name not in named:
                raise ValueError(f"columns: {plugins.unknown('column', name, named)}")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}; give one of them another")
        wrong = [unit for unit in self.units if not unit or re.search(r"[\s\d.,+'-]", unit)]
        if wrong:
            raise ValueError(f"units: found {wrong[0]!r}; a unit is a sign or a word without digits, blanks and .,+-'")
        headers = [self.header(name) for name in named]
        twice = sorted({header for header in headers if headers.count(header) > 1})
        if twice:
            raise ValueError(f"columns: two names stand for the header {twice[0]!r}")
        unknown = sorted(set(self.missing) - {*self.inputs, *self.also})
        if unknown:
            raise ValueError(f"missing names {unknown[0]!r}, which is not among numeric, categorical, dates and also")
        return self

    def header(self, name: str) -> str:
        """Return what the files call a column."""
        return self.columns.get(name, name)

    @property
    def notation(self) -> numeric_cells.Notation:
        """Return the notation of numbers."""
        return numeric_cells.Notation(self.thousands, self.decimal, self.units)

    @property
    def marks(self) -> tuple[str, ...]:
        """All cells that stand for a missing value, in small letters."""
        return numeric_cells.marks(self.missing_values)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of `row`, in its order."""
        return (*self.numeric, *self.categorical, *self.dates)


class TabularPolicy(policy.Policy):
    """Each example draws its own changes; categories are left alone, or those of the row of the greater share."""

    MIXING = ("mixup",)

    jitter: float = Field(0, ge=0, le=1, description="Gaussian noise on numbers, of this deviation in deviations.")
    scaling: float = Field(0, ge=0, lt=1, description="All numbers times one factor between 1 - scaling and 1 + it.")
    mixup: float = Field(0, ge=0, le=10, description="Blends pairs by Beta(a, a) of this a; needs soft labels.")
    # Which places of a row hold numbers and days: they are what is changed.
    _numbers: tuple[float, ...] = PrivateAttr(())

    def fitted(self, spec: Spec) -> Self:
        """With the places of numbers; see the base."""
        made = super().fitted(spec).model_copy()
        columns = narrow(spec.modality_facts, TabularFacts).columns
        made._numbers = tuple(float(one.kind in ("number", "days")) for one in columns)
        return made

    @property
    def numbers(self) -> tuple[float, ...]:
        """1 where a row holds a number or days, else 0."""
        return self._numbers
