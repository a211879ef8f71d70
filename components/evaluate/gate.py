"""What the two evaluations are held to, as gate rows."""

from __future__ import annotations

import math
from typing import Any

from components.evaluate import results
from components.evaluate.agreement import Agreement
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions import COMPRESSED, FLOAT
from components.evaluate.results import OVERALL, TOLERANCE, Measure, Slice
from components.gates import Gate
from data import task
from data.task import Metric

CALIBRATION = "calibration_error"


def float_gates(evaluation: str, config: EvaluateConfig, asked: str = task.DEFAULT) -> list[Gate]:
    """The rows of TFX's Evaluator, from what it wrote: all pass if, and only if, it gave its blessing.

    Args:
      evaluation: the folder of its ModelEvaluation.
      config: what the Evaluator was made with.
      asked: the task.
    """
    config = config.resolved(asked)
    metric, bound = task.metric(asked, config.metric), float(config.threshold or 0)
    slices = results.read(evaluation)
    overall = slices[OVERALL]
    rows = [_threshold("threshold", _candidate(overall, metric), overall, bound, config, metric)]
    change = overall.differences.get(metric.name)
    if change is None:
        none = "there was no baseline"
        rows.append(Gate(gate="regression", metric=_change(metric), passed=True, reason=none))
    else:
        row = _threshold("regression", change, overall, metric.worse(config.max_regression), config, metric)
        rows.append(row.model_copy(update={"metric": _change(metric)}))
    if config.slice_threshold is not None:
        for one in list(slices.values())[1:]:
            row = _threshold("slice_threshold", _candidate(one, metric), one, config.slice_threshold, config, metric)
            rows.append(_excused(row, one, config))
    return rows


def compressed_gates(
    slices: dict[str, Slice],
    config: EvaluateConfig,
    max_drop: float,
    margin: float,
    report: dict[str, Any],
    metric: Metric,
) -> list[Gate]:
    """The rows of the compressed model: non-inferiority to the float one, per slice, and the budget.

    Non-inferior: by the worse end of the paired interval of the difference it is worse by less than max_drop + margin.
    """
    rows = []
    for one in slices.values():
        row = _non_inferiority(one, config, metric.worse(max_drop + margin), metric)
        rows.append(row if one.name == OVERALL else _excused(row, one, config))
    chosen = report["trials"][report["chosen"]]
    over = "; ".join(chosen.get("over", [])) or "no chain is within the budget"
    within = bool(report["within_budget"])
    rows.append(Gate(gate="budget", metric="budget", passed=within, reason="" if within else over))
    return rows


def told_gates(
    overall: Slice, agreed: Agreement | None, confidence: float, bounds: dict[str, float | None]
) -> list[Gate]:
    """The rows of agreement and calibration: told always, decided by the figure itself where there is a bound."""
    rows = []
    if agreed:
        bound = bounds.get("min_agreement")
        lower, upper = agreed.interval(confidence)
        known = {"value": agreed.share, "lower": lower, "upper": upper, "bound": bound}
        passed = bound is None or agreed.share >= bound - TOLERANCE
        reason = f"{agreed.examples - agreed.same} of {agreed.examples} examples are answered differently"
        rows.append(
            Gate(gate="agreement", metric="agreement", **known, passed=passed, reason=_told_only(bound, reason))
        )
    if CALIBRATION in overall.differences:
        bound, rise = bounds.get("max_calibration_rise"), overall.differences[CALIBRATION]
        ends = rise.interval(confidence)
        before, after = (overall.metrics[CALIBRATION][model].value for model in (FLOAT, COMPRESSED))
        known = {"value": rise.value, "lower": ends[0], "upper": ends[1], "bound": bound}
        passed = bound is None or rise.value <= bound + TOLERANCE
        reason = _told_only(bound, f"{before:.4f} of the float model, {after:.4f} of the compressed one")
        row = Gate(gate="calibration", metric=f"{CALIBRATION}_difference", **known, passed=passed, reason=reason)
        rows.append(row.model_copy(update={"value": None}) if math.isnan(rise.value) else row)
    return rows


def _told_only(bound: float | None, reason: str) -> str:
    return reason if bound is not None else f"{reason}; reported, not gated"


def figures(
    slices: dict[str, Slice], confidence: float, metric: Metric, agreed: dict[str, Agreement] | None = None
) -> dict[str, Any]:
    """The overall figures, and those of each slice under `slices`, for metrics.json."""
    found = {name: _figures(one, confidence, metric) for name, one in slices.items()}
    for name, one in (agreed or {}).items():
        if name in found:
            found[name]["agreement"] = one.share
    return {"metric": metric.name, "higher_is_better": metric.higher, **found.pop(OVERALL), "slices": found}


def _figures(one: Slice, confidence: float, metric: Metric) -> dict[str, Any]:
    lower, upper = _difference(one, metric).interval(confidence)
    values = {
        model: {name: _told(found[model]) for name, found in one.metrics.items()} for model in (FLOAT, COMPRESSED)
    }
    return {
        "float": values[FLOAT],
        "compressed": values[COMPRESSED],
        "difference": {metric.name: _told(_difference(one, metric)), "lower": lower, "upper": upper},
        "examples": one.examples,
    }


def _told(measure: Measure) -> float | None:
    """None where it means nothing: JSON has no NaN."""
    return None if math.isnan(measure.value) else measure.value


def _candidate(one: Slice, metric: Metric) -> Measure:
    """TFX names the models where there is a baseline, and not where there is none."""
    found = one.metrics[metric.name]
    return found["candidate"] if "candidate" in found else found[""]


def _difference(one: Slice, metric: Metric) -> Measure:
    assert metric.name in one.differences, "the recorded predictions are always compared"
    return one.differences[metric.name]


def _change(metric: Metric) -> str:
    """What a difference of two models is called."""
    return f"{metric.name}_difference"


def _threshold(gate: str, measure: Measure, one: Slice, bound: float, config: EvaluateConfig, metric: Metric) -> Gate:
    """A row that the value itself decides, as TFMA does."""
    lower, upper = measure.interval(config.confidence)
    return Gate(
        gate=gate,
        metric=metric.name,
        slice=one.name,
        value=measure.value,
        lower=lower,
        upper=upper,
        bound=bound,
        passed=metric.reached(measure.value, bound, TOLERANCE),
    )


def _non_inferiority(one: Slice, config: EvaluateConfig, bound: float, metric: Metric) -> Gate:
    measure = _difference(one, metric)
    lower, upper = measure.interval(config.confidence)
    # No interval: too few examples for one, or no example on which the two differ.
    lower, upper = (measure.value if end is None else end for end in (lower, upper))
    held = lower if metric.higher else upper
    passed = held > bound if metric.higher else held < bound
    end, side = ("low", "above") if metric.higher else ("high", "below")
    return Gate(
        gate="non_inferiority",
        metric=_change(metric),
        slice=one.name,
        value=measure.value,
        lower=lower,
        upper=upper,
        bound=bound,
        passed=passed,
        reason="" if passed else f"the difference may be as {end} as {held:+.4f}; {side} {bound:+.4f} is allowed",
    )


def _excused(row: Gate, one: Slice, config: EvaluateConfig) -> Gate:
    """A slice that is too small to be judged, or on which the metric means nothing, is only reported."""
    if one.examples < config.min_slice:
        return row.model_copy(update={"passed": True, "reason": f"{one.examples} examples, reported, not gated"})
    if row.value is not None and math.isnan(row.value):
        reason = f"{row.metric} means nothing here; reported, not gated"
        return row.model_copy(update={"passed": True, "value": None, "reason": reason})
    return row
