"""TFMA metrics of our own: the figures of a task, and on how many examples two models differ.

In place of a model's answer TFMA sees the serialized record of answer and label (modelmill.data.predictions).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from modelmill.data import counting, predictions, task
from modelmill.data.metric import Metric, Records, Stats

# Behind the name of a metric: the share of the examples on which one of two models alone is right.
DIFFERING = "/differing"
EXAMPLES = "example_count"


class Computed(metric_types.Metric):
    """A metric of a task by its own statistics, of which every slice has twenty parts in memory, for the jackknife.

    So what the gate demands is computed as what compression was tried by. TFMA's own aggregates of several classes must
    be told their number, which nobody knows before the data are read; Keras' metrics, which it can take, cost it
    several times as much; and its MeanAbsoluteError (0.52) counts a merged accumulator twice.
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
    combiner = _Accumulate(key, task, metric)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _Accumulate(beam.CombineFn):
    """The statistics of a metric, and at the end the figure."""

    def __init__(self, key: metric_types.MetricKey, asked: str, name: str) -> None:
        self._key, self._task, self._metric = key, asked, name

    def create_accumulator(self) -> Stats:
        return {}

    def add_input(self, stats: Stats, element: metric_types.StandardMetricInputs) -> Stats:
        metric = _metric(self._task, self._metric)
        return metric.merge([stats, metric.accumulate(_recorded(element, self._key.model_name))])

    def merge_accumulators(self, parts: Iterable[Stats]) -> Stats:
        return _metric(self._task, self._metric).merge(parts)

    def extract_output(self, stats: Stats) -> dict[metric_types.MetricKey, float]:
        return {self._key: _metric(self._task, self._metric).value(stats)}


class Differing(metric_types.Metric):
    """The share of the examples on which one of two models is right and the other is not, by a metric that is a share.

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
    combiner = _CountDiffering(keys, task, metric)
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)]


class _CountDiffering(beam.CombineFn):
    """The paired counts of two models, and at the end the share."""

    def __init__(self, keys: list[metric_types.MetricKey], asked: str, name: str) -> None:
        self._keys, self._task, self._metric = keys, asked, name

    def create_accumulator(self) -> Stats:
        return {}

    def add_input(self, stats: Stats, element: metric_types.StandardMetricInputs) -> Stats:
        metric = _metric(self._task, self._metric)
        first, second = (_recorded(element, key.model_name) for key in self._keys)
        return metric.merge([stats, metric.accumulate_pair(first, second)])

    def merge_accumulators(self, parts: Iterable[Stats]) -> Stats:
        return _metric(self._task, self._metric).merge(parts)

    def extract_output(self, stats: Stats) -> dict[metric_types.MetricKey, float]:
        return dict.fromkeys(self._keys, counting.differing(stats))


def asked_task(config: config_pb2.EvalConfig) -> str:
    """Return the task whose metrics an evaluation computes."""
    (specs,) = config.metrics_specs
    settings = next(metric.config for metric in specs.metrics if metric.module == __name__)
    return str(json.loads(f"{{{settings}}}")["task"])


def _recorded(element: metric_types.StandardMetricInputs, model: str) -> Records:
    """The record of one example, which is all that there is in place of a model's prediction."""
    found = element.get_predictions(model_name=model)
    return _deserialized(found.item() if isinstance(found, np.ndarray) else found)


# Several metrics, of several slices, take the same record one after the other.
@lru_cache(maxsize=16)
def _deserialized(record: bytes) -> Records:
    return predictions.deserialize([record])


@cache
def _metric(asked: str, name: str) -> Metric:
    return task.metric(asked, name)
