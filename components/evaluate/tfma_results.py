"""Reads what TFMA wrote: metrics of slices, differences of models, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelmill.components.evaluate.tfma_metrics import DIFFERING, EXAMPLES

OVERALL = "overall"
# TFMA computes in float32: equal to the bound means within this of it, or this share of it.
TOLERANCE = 1e-6


def allowance(bound: float) -> float:
    """What a figure may be off a bound and still count as equal."""
    return TOLERANCE * max(1.0, abs(bound))


@dataclass(frozen=True)
class Measure:
    """A figure and, where enough examples gave one, its standard error with the degrees of freedom."""

    value: float
    error: float | None = None
    freedom: float | None = None


@dataclass
class Slice:
    """The figures of one slice, by metric: of each model ("" if there is but one), and differences to the baseline.

    `differing`: of metrics that are shares, on what share of the examples one of the two models alone is right.
    """

    name: str
    examples: int = 0
    metrics: dict[str, dict[str, Measure]] = field(default_factory=dict)
    differences: dict[str, Measure] = field(default_factory=dict)
    differing: dict[str, float] = field(default_factory=dict)


def read(evaluation: str) -> dict[str, Slice]:
    """The slices in the folder of a ModelEvaluation artifact by name, `overall` first, the others sorted."""
    import tensorflow_model_analysis as tfma

    found = [_slice(metrics) for metrics in tfma.load_metrics(evaluation)]
    return {one.name: one for one in sorted(found, key=lambda one: (one.name != OVERALL, one.name))}


def _slice(metrics: Any) -> Slice:
    """One of TFMA's MetricsForSlice messages."""
    result = Slice(_name(metrics.slice_key))
    for entry in metrics.metric_keys_and_values:
        if entry.key.name == EXAMPLES and not entry.key.is_diff:
            result.examples = int(entry.value.double_value.value)
        elif entry.key.name.endswith(DIFFERING):
            if not entry.key.is_diff:
                result.differing[entry.key.name.removesuffix(DIFFERING)] = entry.value.double_value.value
        elif entry.key.is_diff:
            result.differences[entry.key.name] = _measure(entry)
        elif entry.value.WhichOneof("type") == "double_value":
            result.metrics.setdefault(entry.key.name, {})[entry.key.model_name] = _measure(entry)
    return result


def _measure(entry: Any) -> Measure:
    value = entry.value.double_value.value
    if not entry.HasField("confidence_interval"):
        return Measure(value)
    interval = entry.confidence_interval
    error = interval.standard_error.double_value.value
    # Not a number: fewer examples than the jackknife has parts, so some of its samples were empty.
    return Measure(value, error, interval.degrees_of_freedom.value) if error == error else Measure(value)


def _name(key: Any) -> str:
    """`label=7`: a slice is the examples that have this value of one feature."""
    if not key.single_slice_keys:
        return OVERALL
    (part,) = key.single_slice_keys
    kind = part.WhichOneof("kind")
    value = part.bytes_value.decode(errors="replace") if kind == "bytes_value" else getattr(part, kind)
    return f"{part.column}={value}"
