"""The `validate` section of an experiment: what the data gate refuses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelmill.data.core.config import Strict


class ValidateConfig(Strict):
    """Distances of distributions, feature by feature: 0 is no change, 1 the greatest.

    Of strings (the label, and columns of a CSV) it is the largest change of a value's share; of numbers the
    Jensen-Shannon divergence. Without a threshold distances are told and not judged.
    """

    skew: float | None = Field(None, gt=0, le=1, description="From train to eval and to test, at most.")
    drift: float | None = Field(
        None, gt=0, le=1, description="From the last run's data that passed to this one's, split by split, at most."
    )
    on_anomaly: Literal["stop", "warn"] = Field(
        "stop",
        description="After an anomaly against the schema, too much skew or too much drift. Whatever it says, the run "
        "stops at an empty split, a single class, and a label that train never saw.",
    )
