"""The `evaluate` section of an experiment: what the float model must reach to be blessed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from data.config import Strict


class EvaluateConfig(Strict):
    """Thresholds of the float model on the test split."""

    metric: Literal["accuracy"] = "accuracy"
    threshold: float = Field(0.5, ge=0, le=1, description="The metric must be at least this.")
    max_regression: float = Field(
        0.01,
        ge=0,
        le=1,
        description="The metric may be at most this much below the baseline's (the last blessed model).",
    )
    slice_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The metric must be at least this on every slice of at least min_slice examples.",
    )
    slices: tuple[str, ...] = Field(
        ("label",),
        min_length=1,
        description="Features by whose values accuracy is told and gated: the label, columns of the CSV (data.csv), or "
        "what the modality describes.",
    )
    min_slice: int = Field(100, ge=1, description="Slices of fewer examples are reported, not gated.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Level of the intervals.")
