"""TFMA metrics of our own: the figures of a task, and on how many examples two models differ."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from modelmill.data import task

# Behind the name of a metric: the share of the examples on which one of two models alone is right.
DIFFERING = "/differing"
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


class Differing(metric_types.Metric):
    """The share of the examples on which one of two models is right and the other is not, by the metric's `right`.

    With the difference of the two shares it gives both counts of discordant pairs, which a paired interval is made of.
    TFMA hands a metric one model at a time unless it asks for all; each model gets the same figure. With one model
    there is none.
    """

    def __init__(self, task: str, metric: str, name: str) -> None:
        super().__init__(_differing, task=task, metric=metric, name=name)


def _differing(
    task: str,
    metric: str,
    name: str,
    eval_config: Any = None,
    model_names: list[str] | None = None,
    example_weighted: bool = False,
) -> list[metric_types.MetricComputation]:
    models = list(model_names or [])
    if len(models) != 2:
        return []
    keys = [metric_types.MetricKey(name=name, model_name=model, example_weighted=example_weighted) for model in models]
    combiner = _CountDiffering(keys, eval_config, task, metric)
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)]


class _CountDiffering(beam.CombineFn):
    """Counts of examples on which one model alone is right, and of all; at the end the share."""

    def __init__(self, keys: list[metric_types.MetricKey], eval_config: Any, task: str, metric: str) -> None:
        self._keys, self._eval_config, self._task, self._metric = keys, eval_config, task, metric

    def create_accumulator(self) -> tuple[int, int]:
        return 0, 0

    def add_input(self, seen: tuple[int, int], element: metric_types.StandardMetricInputs) -> tuple[int, int]:
        right = task.metric(self._task, self._metric).right
        assert right is not None, f"{self._metric} is no share of examples"
        found = []
        for key in self._keys:
            ((label, answer, _),) = metric_util.to_label_prediction_example_weight(
                element, eval_config=self._eval_config, model_name=key.model_name, flatten=False
            )
            label = np.reshape(label, [1, -1])
            found.append(bool(right(np.reshape(answer, [1, -1]), label[:, 0] if label.shape[1] == 1 else label)[0]))
        return seen[0] + (found[0] != found[1]), seen[1] + 1

    def merge_accumulators(self, parts: Iterable[tuple[int, int]]) -> tuple[int, int]:
        counts = list(parts)
        return sum(one[0] for one in counts), sum(one[1] for one in counts)

    def extract_output(self, seen: tuple[int, int]) -> dict[metric_types.MetricKey, float]:
        share = seen[0] / seen[1] if seen[1] else math.nan
        return dict.fromkeys(self._keys, share)
