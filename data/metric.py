"""What a metric is: statistics that are accumulated batch by batch, merged in any order, and turned into a figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

# Fields of recorded predictions [examples, ...], as a task's `record` gives them.
Records = Mapping[str, NDArray[Any]]
# Statistics of any number of examples. None at all is {}. At most 1 MiB for a slice: TFMA's jackknife keeps twenty.
Stats = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Metric(ABC):
    """A figure by which answers are judged, computed in memory that does not grow with the number of examples.

    Attributes:
      name: in an experiment, in evaluations and in reports.
      says: what it is, in a sentence.
      higher: whether more is better.
      least: below which no value is; None if there is no such bound.
      most: above which none is.
      threshold: what a model must reach if the experiment demands nothing; None: the experiment must say.
      one_class: whether it means something of the examples of one class alone.
      two_classes: whether there must be two classes, neither more nor fewer.
      SHARE: whether it is a share of examples: it has score intervals, any other metric a jackknife (docs/gates.md).
    """

    SHARE: ClassVar[bool] = False

    name: str
    says: str
    higher: bool = True
    least: float | None = 0.0
    most: float | None = 1.0
    threshold: float | None = 0.5
    one_class: bool = False
    two_classes: bool = False

    @abstractmethod
    def accumulate(self, recorded: Records) -> Stats:
        """Return the statistics of a batch of recorded predictions, of any size, also of none."""

    @abstractmethod
    def value(self, stats: Stats) -> float:
        """Return the figure; NaN where it means nothing, such as of no examples."""

    def accumulate_pair(self, first: Records, second: Records) -> Stats:
        """Return the statistics of two models on the same examples, of which paired figures are made.

        Raises:
          TypeError: the metric is no share of examples; two values and the jackknife of their difference do for others.
        """
        raise TypeError(f"{self.name} is no share of examples: it has no paired counts")

    def merge(self, parts: Iterable[Stats]) -> Stats:
        """Return the statistics of all parts together: the sum of each field, unless a metric says otherwise."""
        merged: Stats = {}
        for part in parts:
            merged = {key: merged[key] + value if key in merged else value for key, value in part.items()} or merged
        return merged

    def of(self, recorded: Records) -> float:
        """Return the figure of one batch."""
        return self.value(self.accumulate(recorded))

    def lost(self, before: float, after: float) -> float:
        """How much worse `after` is than `before`; negative if it is better."""
        return before - after if self.higher else after - before

    def worse(self, amount: float) -> float:
        """A change by `amount` for the worse, as a difference of two values."""
        return -amount if self.higher else amount

    def scale(self, value: float) -> float:
        """Return how far the metric can move: its range, or, where it has no upper bound, the value itself."""
        return abs(value) if self.most is None else self.most - (self.least or 0.0)

    def reached(self, value: float, bound: float, tolerance: float = 0.0) -> bool:
        """Whether a value is as good as the bound; NaN never is."""
        reach = tolerance * max(1.0, abs(bound))
        return value >= bound - reach if self.higher else value <= bound + reach


def number(value: Any) -> NDArray[np.float64]:
    """Return a field of Stats that holds one number, or as many as an array holds."""
    return np.atleast_1d(np.asarray(value, np.float64))


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """Return a quotient of fields of one number each; NaN where the whole is nothing."""
    return float(part[0] / whole[0]) if whole[0] else float("nan")
