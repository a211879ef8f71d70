"""A TFMA metric for thresholds on slices: TFMA's own thresholds can't leave out slices of few examples."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.metrics import metric_types

SHORTFALL = "shortfall"
ACCURACY = "accuracy"
EXAMPLES = "example_count"


class SliceShortfall(metric_types.Metric):
    """How far a slice's accuracy is below `threshold`; 0 where it is not, and on slices under `min_examples`.

    Takes the metrics `accuracy` and `example_count`, which must be computed too.
    """

    def __init__(self, threshold: float, min_examples: int, name: str = SHORTFALL) -> None:
        super().__init__(_computations, name=name, threshold=threshold, min_examples=min_examples)


def _computations(
    threshold: float,
    min_examples: int,
    name: str = SHORTFALL,
    model_names: list[str] | None = None,
    example_weighted: bool | None = None,
) -> list[metric_types.DerivedMetricComputation]:
    """One computation per model."""
    return [_computation(threshold, min_examples, name, model, example_weighted) for model in model_names or [""]]


def _computation(
    threshold: float, min_examples: int, name: str, model: str, example_weighted: bool | None
) -> metric_types.DerivedMetricComputation:
    key = metric_types.MetricKey(name=name, model_name=model, example_weighted=example_weighted)

    def shortfall(metrics: dict[metric_types.MetricKey, Any]) -> dict[metric_types.MetricKey, float]:
        found = {known.name: value for known, value in metrics.items() if known.model_name == model}
        small = float(found[EXAMPLES]) < min_examples
        return {key: 0.0 if small else max(0.0, threshold - float(found[ACCURACY]))}

    return metric_types.DerivedMetricComputation(keys=[key], result=shortfall)
