"""The `data` and `augment` sections of time series."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from modelmill.data import numeric_cells, policy
from modelmill.data.config import DataConfig
from modelmill.data.readers.separators import SEPARATOR, Separator


class SeriesConfig(DataConfig):
    """Series of more steps than `length` are cut at their end, or into windows if `stride` is given."""

    modality: Literal["series"] = "series"
    files: str = Field("*.ts", description="Which files of the folder: a glob, such as *.ts.gz or part-*.csv.")
    channels: int = Field(ge=1, le=4096, description="Values a step.")
    length: int = Field(ge=1, le=100_000, description="Steps that the model sees; shorter series are padded behind.")
    stride: int | None = Field(None, ge=1, description="Cut into windows of `length` that begin so many steps apart.")
    layout: Literal["long", "wide"] = Field("long", description="Of tables: a row a step, or a row a series.")
    series: str = Field("series", description="Long: the column that names the series; its rows stand together.")
    label: str = Field("label", description="The column of what is to be told; of a window, that of its last step.")
    values: tuple[str, ...] = Field(
        (), description="Long: a column a channel. Wide: one pattern of the columns of steps, such as 't*'."
    )
    separator: Separator = Field("", description=SEPARATOR)
    missing: bool = Field(False, description="Whether values may be missing; else that is an error.")
    missing_values: tuple[str, ...] = Field(
        (), description=f"What stands for a missing value, besides {', '.join(numeric_cells.MISSING)}."
    )
    conflicts: Literal["refuse", "drop", "keep"] = Field(
        "keep", description="Equal series with different labels: stop, drop them, or keep them all."
    )

    @model_validator(mode="after")
    def _table(self) -> Self:
        if ".ts" in self.files:
            return self
        if self.layout == "wide" and (self.channels, len(self.values)) != (1, 1):
            raise ValueError("layout: wide is of one channel: give channels: 1, and one pattern in values")
        if self.layout == "long" and len(self.values) != self.channels:
            raise ValueError(f"layout: long needs a column a channel: values has {len(self.values)} of {self.channels}")
        return self

    @property
    def marks(self) -> tuple[str, ...]:
        """All that stands for a missing value, in small letters."""
        return numeric_cells.marks(self.missing_values)


class SeriesPolicy(policy.Policy):
    """Each example draws one value of each range, uniformly."""

    MIXING = ("mixup",)

    jitter: float = Field(0, ge=0, le=1, description="Gaussian noise of up to this deviation, in deviations.")
    scaling: float = Field(0, ge=0, lt=1, description="Each channel times a factor between 1 - scaling and 1 + it.")
    permutation: int = Field(0, ge=0, le=20, description="Cuts into up to so many parts, which change their order.")
    time_warp: float = Field(0, ge=0, lt=1, description="Runs up to this share faster and slower, smoothly.")
    window_slice: float = Field(0, ge=0, lt=1, description="A part is left, up to this share shorter, and stretched.")
    mixup: float = Field(0, ge=0, le=10, description="Blends pairs by Beta(a, a) of this a; needs soft labels.")

    def excluded_roles(self, change: str) -> tuple[str, ...]:
        """See the base; what moves the steps of a series would part them from a target of theirs."""
        moves = change in ("permutation", "time_warp", "window_slice")
        return (*super().excluded_roles(change), *(["time"] if moves else []))
