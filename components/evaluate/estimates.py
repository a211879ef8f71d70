"""Intervals of what an evaluation measured, and whether a loss is more than chance: by the kind of the metric.

A metric that is a share of examples has Wilson's interval, and its paired differences have Tango's. Any other metric
has Student's interval of the jackknife's standard error, which is never narrower than Tango's would be if no example
differed, in units of the metric's scale: a jackknife of a few equal examples has no spread, and would prove anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from modelmill.components import intervals
from modelmill.components.evaluate.tfma_results import Measure, Slice
from modelmill.data.metric import Metric
from modelmill.data.predictions import FLOAT

# TFMA's jackknife leaves out one of so many parts at a time; with fewer examples some parts are empty.
PARTS = 20
BASELINE = "baseline"


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its interval; without ends where the examples are too few for an interval.

    `by_chance`: the one-sided p-value of the figure's being so much worse than what it is held to.
    `narrowest`: half the width that the interval would have if no example differed; None: it has no interval.
    """

    value: float
    lower: float | None
    upper: float | None
    by_chance: float = 1.0
    narrowest: float | None = None


def of_model(one: Slice, measure: Measure, metric: Metric, confidence: float, bound: float) -> Estimate:
    """Return a model's figure on a slice; `by_chance` is of its being worse than the bound."""
    value = measure.value
    if metric.SHARE and value == value and one.examples:
        right = round(value * one.examples)
        ends = intervals.wilson(right, one.examples, confidence)
        return Estimate(value, *ends, by_chance=intervals.share_below(right, one.examples, bound))
    return _jackknife(one, measure, metric.lost(bound, value), metric.scale(value), confidence, metric)


def of_difference(one: Slice, metric: Metric, confidence: float) -> Estimate:
    """Return the paired difference of two models on a slice; `by_chance` is of the second one's being worse at all."""
    measure = one.differences[metric.name]
    if metric.SHARE and metric.name in one.differing and measure.value == measure.value:
        both, change = (round(one.examples * share) for share in (one.differing[metric.name], measure.value))
        first, second = (both - change) // 2, (both + change) // 2  # right on them is the baseline, the candidate alone
        ends = intervals.tango(second, first, one.examples, confidence)
        narrowest = intervals.narrowest(one.examples, confidence)
        return Estimate(measure.value, *ends, intervals.paired_loss(second, first), narrowest)
    found = _jackknife(one, measure, metric.lost(0.0, measure.value), scale(one, metric), confidence)
    if found.lower is None or found.upper is None or metric.most is None or metric.least is None:
        return found
    reach = metric.most - metric.least
    ends = intervals.clipped((found.lower, found.upper), -reach, reach)
    return Estimate(found.value, *ends, found.by_chance, found.narrowest)


def scale(one: Slice, metric: Metric) -> float:
    """Return how far a difference of the metric can reach, by the baseline's value where that has no bound."""
    models = one.metrics.get(metric.name, {})
    before = models.get(FLOAT) or models.get(BASELINE) or Measure(0.0)
    return metric.scale(before.value)


def _jackknife(
    one: Slice, measure: Measure, lost: float, scale: float, confidence: float, bounds: Metric | None = None
) -> Estimate:
    if measure.error is None or measure.freedom is None or one.examples < PARTS or measure.value != measure.value:
        return Estimate(measure.value, None, None)
    narrowest = intervals.narrowest(one.examples, confidence) * scale
    # The standard error that gives the narrowest interval, if the jackknife's is less.
    error = max(measure.error, narrowest / intervals.student(0.0, 1.0, measure.freedom, confidence)[1])
    ends = intervals.student(measure.value, error, measure.freedom, confidence)
    if bounds:
        ends = intervals.clipped(ends, bounds.least, bounds.most)
    return Estimate(measure.value, *ends, intervals.student_loss(lost, error, measure.freedom), narrowest)
