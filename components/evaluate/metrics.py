"""TFMA metrics of our own: the figures of a task, and thresholds on slices."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from data import task

SHORTFALL = "shortfall"
EXAMPLES = "example_count"
# Labels and answers of the examples seen so far.
Seen = tuple[list[Any], list[Any]]


class Computed(metric_types.Metric):
    """A metric of a task by its own function, of all answers to a slice: they are in the memory of one worker.

    So what the gate demands is computed by the same function as what compression was tried by. TFMA's own aggregates
    of several classes must be told their number, which nobody knows before the data are read; Keras' metrics, which it
    can take, cost it several times as much; and its MeanAbsoluteError (0.52) counts a merged accumulator twice.
    """

    def __init__(self, task: str, metric: str, name: str) -> None:
        super().__init__(metric_util.merge_per_key_computations(_computed), task=task, metric=metric, name=name)


def _computed(
    task: str,
    metric: str,
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
    **_: Any,
) -> list[metric_types.MetricComputation]:
    key = metric_types.MetricKey(
        name=name, model_name=model_name, output_name=output_name, example_weighted=example_weighted
    )
    return [
        metric_types.MetricComputation(
            keys=[key], preprocessors=None, combiner=_Collect(key, eval_config, task, metric)
        )
    ]


class _Collect(beam.CombineFn):
    """Labels and answers, and at the end the figure."""

    def __init__(self, key: metric_types.MetricKey, eval_config: Any, task: str, metric: str) -> None:
        self._key, self._eval_config, self._task, self._metric = key, eval_config, task, metric

    def create_accumulator(self) -> Seen:
        return [], []

    def add_input(self, seen: Seen, element: metric_types.StandardMetricInputs) -> Seen:
        for label, answer, _ in metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            flatten=False,
        ):
            seen[0].append(np.reshape(label, [1, -1]))
            seen[1].append(np.reshape(answer, [1, -1]))
        return seen

    def compact(self, seen: Seen) -> Seen:
        """One array of each: Beam packs what it hands on piece by piece, and the intervals take every part 20 times."""
        return ([np.concatenate(seen[0])], [np.concatenate(seen[1])]) if seen[0] else seen

    def merge_accumulators(self, parts: Iterable[Seen]) -> Seen:
        merged: Seen = ([], [])
        for labels, answers in parts:
            merged[0].extend(labels)
            merged[1].extend(answers)
        return merged

    def extract_output(self, seen: Seen) -> dict[metric_types.MetricKey, float]:
        labels, answers = seen
        if not labels:
            return {self._key: math.nan}
        truth = np.concatenate(labels)
        single = truth[:, 0] if truth.shape[1] == 1 else truth
        return {self._key: task.metric(self._task, self._metric).function(np.concatenate(answers), single)}


class SliceShortfall(metric_types.Metric):
    """How much worse than `threshold` a slice's `metric` is; 0 where it is not, or on slices under `min_examples`.

    TFMA's own thresholds can't leave out slices of few examples. Takes the metrics `metric` (of which `higher` says
    whether more is better) and `example_count`, which must be computed too. Where the metric means nothing it is 0.
    """

    def __init__(self, metric: str, higher: bool, threshold: float, min_examples: int, name: str = SHORTFALL) -> None:
        super().__init__(
            _shortfalls, metric=metric, higher=higher, threshold=threshold, min_examples=min_examples, name=name
        )


def _shortfalls(
    metric: str,
    higher: bool,
    threshold: float,
    min_examples: int,
    name: str = SHORTFALL,
    model_names: list[str] | None = None,
    example_weighted: bool | None = None,
) -> list[metric_types.DerivedMetricComputation]:
    """One computation per model."""
    sign = 1 if higher else -1

    def of(model: str) -> metric_types.DerivedMetricComputation:
        key = metric_types.MetricKey(name=name, model_name=model, example_weighted=example_weighted)

        def shortfall(metrics: dict[metric_types.MetricKey, Any]) -> dict[metric_types.MetricKey, float]:
            found = {known.name: value for known, value in metrics.items() if known.model_name == model}
            value, small = float(found[metric]), float(found[EXAMPLES]) < min_examples
            return {key: 0.0 if small or math.isnan(value) else max(0.0, sign * (threshold - value))}

        return metric_types.DerivedMetricComputation(keys=[key], result=shortfall)

    return [of(model) for model in model_names or [""]]
