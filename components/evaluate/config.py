"""The `evaluate` section of an experiment: what the float model must reach to be blessed."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from modelmill.data import task
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict
from modelmill.data.metric import Metric
from modelmill.data.spec import LABEL


class EvaluateConfig(Strict):
    """Thresholds of the float model on the test split. What is not given is the task's, see `resolved`."""

    metric: str | None = Field(None, description="What a model is judged by: one of the task's (data.task).")
    also: tuple[str, ...] = Field((), description="Further metrics of the task, reported and not gated.")
    threshold: float | None = Field(
        None, description="The metric must be at least this; at most, where less is better. 0.5 of what is a share."
    )
    max_regression: float = Field(
        0.01,
        ge=0,
        description="The metric may be at most this much worse than the baseline's (the last blessed model).",
    )
    slice_threshold: float | None = Field(
        None,
        description="As threshold, of every slice of at least min_slice examples; one that falls short by no more than "
        "chance is undecided, not refused.",
    )
    slices: tuple[str, ...] | None = Field(
        None,
        description="Features by whose values the metric is told and gated: the label (if the task has classes), "
        "columns of the CSV (data.csv), or what the modality describes.",
    )
    min_slice: int = Field(100, ge=1, description="Slices of fewer examples are undecided: reported, not gated.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Level of the intervals.")

    def resolved(self, asked: str) -> Self:
        """With what the task gives in place of what is absent.

        Args:
          asked: the task.

        Raises:
          ValueError: a metric that the task has not, or a threshold or slices that make no sense with it.
        """
        try:
            judged = task.metric(asked, self.metric)
            also = [task.metric(asked, name).name for name in self.also]
        except plugins.UnknownNameError as error:
            raise ValueError(f"evaluate.metric: {error}") from error
        classes = task.look_up(asked).CLASSES and judged.one_class
        slices = self.slices if self.slices is not None else (LABEL,) if classes else ()
        if LABEL in slices and not classes:
            what = f"{judged.name} means nothing on" if task.look_up(asked).CLASSES else f"{asked} has no"
            raise ValueError(f"evaluate.slices: found {list(slices)}; {what} examples of one class; leave out 'label'")
        threshold = self.threshold if self.threshold is not None else judged.threshold
        if threshold is None:
            raise ValueError(f"evaluate.threshold: missing; what is a good {judged.name} depends on the data")
        for name, bound in (("threshold", threshold), ("slice_threshold", self.slice_threshold)):
            if bound is not None:
                _check_bound(f"evaluate.{name}", bound, judged)
        update = {"metric": judged.name, "also": tuple(also), "threshold": threshold, "slices": tuple(slices)}
        return self.model_copy(update=update)


def _check_bound(where: str, bound: float, judged: Metric) -> None:
    """A bound that no model can reach, or none can miss, is a mistake."""
    low, high = judged.least, judged.most
    if (low is not None and bound < low) or (high is not None and bound > high):
        reach = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
        raise ValueError(f"{where}: found {bound:g}; {judged.name} is {reach}")
