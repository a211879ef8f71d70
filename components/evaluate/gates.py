"""What the two evaluations are held to, as gate rows; docs/gates.md says when a row is passed, undecided or refused."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from modelmill.components import intervals
from modelmill.components.evaluate import estimates, tfma_results
from modelmill.components.evaluate.agreement import Agreement
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.evaluate.estimates import PARTS, Estimate
from modelmill.components.evaluate.tfma_results import OVERALL, TOLERANCE, Measure, Slice
from modelmill.components.gates import Gate
from modelmill.data import task
from modelmill.data.metric import Metric
from modelmill.data.predictions import COMPRESSED, FLOAT
from modelmill.data.spec import DEFAULT

CALIBRATION = "calibration_error"
NON_INFERIORITY = "non_inferiority"


def float_gates(evaluation: str, config: EvaluateConfig, asked: str = DEFAULT) -> list[Gate]:
    """The rows of the float model, from what TFX's Evaluator wrote: none refuses if, and only if, it is blessed.

    Args:
      evaluation: the folder of its ModelEvaluation.
      config: what the Evaluator was made with.
      asked: the task.
    """
    config = config.resolved(asked)
    metric, bound = task.metric(asked, config.metric), float(config.threshold or 0)
    slices = tfma_results.read(evaluation)
    overall = slices[OVERALL]
    reached = estimates.of_model(overall, _candidate(overall, metric), metric, config.confidence, bound)
    rows = [_threshold("threshold", metric.name, OVERALL, reached, bound, metric)]
    if metric.name not in overall.differences:
        none = "there was no baseline"
        rows.append(Gate(gate="regression", metric=_change(metric), passed=True, reason=none))
    else:
        change = estimates.of_difference(overall, metric, config.confidence)
        worst = metric.worse(config.max_regression)
        rows.append(_threshold("regression", _change(metric), OVERALL, change, worst, metric))
    if config.slice_threshold is not None:
        rows += _slice_thresholds(list(slices.values())[1:], config, config.slice_threshold, metric)
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
    limit = max_drop + margin
    found = {name: estimates.of_difference(one, metric, config.confidence) for name, one in slices.items()}
    tested = [name for name, one in slices.items() if _is_tested(one, found[name], limit, config)]
    lost = dict(zip(tested, _significant([found[name] for name in tested], config.confidence), strict=True))
    rows = [
        _non_inferiority(one, found[name], limit, config, metric, lost.get(name, False)) for name, one in slices.items()
    ]
    chosen = report["trials"][report["chosen"]]
    over = "; ".join(chosen.get("over", [])) or "no chain is within the budget"
    within = bool(report["within_budget"])
    return [*rows, Gate(gate="budget", metric="budget", passed=within, reason="" if within else over)]


def told_gates(
    overall: Slice, agreed: Agreement | None, config: EvaluateConfig, bounds: dict[str, float | None], asked: str
) -> list[Gate]:
    """The rows of agreement and calibration: told always, decided by the figure itself where there is a bound."""
    rows = []
    if agreed:
        bound = bounds.get("min_agreement")
        lower, upper = agreed.interval(config.confidence)
        known = {"value": agreed.share, "lower": lower, "upper": upper, "bound": bound}
        passed = bound is None or agreed.share >= bound - TOLERANCE
        reason = f"{agreed.examples - agreed.same} of {agreed.examples} examples are answered differently"
        rows.append(
            Gate(gate="agreement", metric="agreement", **known, passed=passed, reason=_told_only(bound, reason))
        )
    if CALIBRATION in overall.differences:
        bound = bounds.get("max_calibration_rise")
        rise = estimates.of_difference(overall, task.metric(asked, CALIBRATION), config.confidence)
        before, after = (overall.metrics[CALIBRATION][model].value for model in (FLOAT, COMPRESSED))
        known = {"value": _number(rise.value), "lower": rise.lower, "upper": rise.upper, "bound": bound}
        passed = bound is None or rise.value <= bound + TOLERANCE
        reason = _told_only(bound, f"{before:.4f} of the float model, {after:.4f} of the compressed one")
        rows.append(Gate(gate="calibration", metric=f"{CALIBRATION}_difference", **known, passed=passed, reason=reason))
    return rows


def _told_only(bound: float | None, reason: str) -> str:
    return reason if bound is not None else f"{reason}; reported, not gated"


def figures(
    slices: dict[str, Slice],
    confidence: float,
    metric: Metric,
    agreed: dict[str, Agreement] | None = None,
    rows: Iterable[Gate] = (),
) -> dict[str, Any]:
    """The overall figures, and those of each slice under `slices`, for metrics.json."""
    found = {name: _figures(one, confidence, metric) for name, one in slices.items()}
    for name, one in (agreed or {}).items():
        if name in found:
            found[name]["agreement"] = one.share
    for row in rows:
        if row.gate == NON_INFERIORITY:
            found[row.slice][NON_INFERIORITY] = row.outcome
    known = {"metric": metric.name, "higher_is_better": metric.higher, "confidence": confidence}
    return {**known, **found.pop(OVERALL), "slices": found}


def _figures(one: Slice, confidence: float, metric: Metric) -> dict[str, Any]:
    change = estimates.of_difference(one, metric, confidence)
    values = {
        model: {name: _number(found[model].value) for name, found in one.metrics.items()}
        for model in (FLOAT, COMPRESSED)
    }
    return {
        "float": values[FLOAT],
        "compressed": values[COMPRESSED],
        "difference": {metric.name: _number(change.value), "lower": change.lower, "upper": change.upper},
        "examples": one.examples,
    }


def _number(value: float) -> float | None:
    """None where it means nothing: JSON has no NaN."""
    return None if math.isnan(value) else value


def _candidate(one: Slice, metric: Metric) -> Measure:
    """TFX names the models where there is a baseline, and not where there is none."""
    found = one.metrics[metric.name]
    return found["candidate"] if "candidate" in found else found[""]


def _change(metric: Metric) -> str:
    """What a difference of two models is called."""
    return f"{metric.name}_difference"


def _row(gate: str, name: str, where: str, estimate: Estimate, bound: float) -> Gate:
    """A row that has not passed yet."""
    known = {"value": _number(estimate.value), "lower": estimate.lower, "upper": estimate.upper, "bound": bound}
    return Gate(gate=gate, metric=name, slice=where, **known, passed=False)


def _threshold(gate: str, name: str, where: str, estimate: Estimate, bound: float, metric: Metric) -> Gate:
    """A row that the value itself decides, as TFMA does."""
    passed = metric.reached(estimate.value, bound, TOLERANCE)
    return _row(gate, name, where, estimate, bound).model_copy(update={"passed": passed})


def _significant(found: list[Estimate], confidence: float) -> list[bool]:
    """Which of several losses are more than chance, by Holm's procedure at the level of one end of an interval."""
    return intervals.holm([one.by_chance for one in found], (1 - confidence) / 2)


def _slice_thresholds(slices: list[Slice], config: EvaluateConfig, bound: float, metric: Metric) -> list[Gate]:
    """A slice passes by its value; one that falls short is refused only where that is more than chance."""
    found = [estimates.of_model(one, _candidate(one, metric), metric, config.confidence, bound) for one in slices]
    tested = [place for place, one in enumerate(slices) if not _untold(one, found[place], config, metric)]
    short = dict(zip(tested, _significant([found[place] for place in tested], config.confidence), strict=True))
    rows = []
    for place, (one, estimate) in enumerate(zip(slices, found, strict=True)):
        row = _threshold("slice_threshold", metric.name, one.name, estimate, bound, metric)
        reason = _untold(one, estimate, config, metric)
        if not reason and not row.passed and not short[place]:
            reason = "it falls short, but by no more than chance may account for"
        rows.append(_undecided(row, reason) if reason else row)
    return rows


def _non_inferiority(
    one: Slice, estimate: Estimate, limit: float, config: EvaluateConfig, metric: Metric, lost: bool
) -> Gate:
    """The row of all examples, which passes or refuses, or of a slice, which is refused only if it `lost`."""
    bound = metric.worse(limit)
    row = _row(NON_INFERIORITY, _change(metric), one.name, estimate, bound)
    overall = one.name == OVERALL
    untold = _untold(one, estimate, config, metric)
    if untold:
        return row.model_copy(update={"reason": untold}) if overall else _undecided(row, untold)
    held = estimate.lower if metric.higher else estimate.upper
    if held is not None and (held > bound if metric.higher else held < bound):
        return row.model_copy(update={"passed": True})
    if held is None or not _decides(estimate, limit):
        few = _too_few(one, limit, config.confidence, estimates.scale(one, metric), estimate)
        return row.model_copy(update={"reason": few}) if overall else _undecided(row, few)
    end, side = ("low", "above") if metric.higher else ("high", "below")
    reason = f"the difference may be as {end} as {held:+.4f}; {side} {bound:+.4f} is allowed"
    if overall:
        return row.model_copy(update={"reason": reason})
    if lost:
        return row.model_copy(update={"reason": f"{reason}, and the loss is more than chance"})
    return _undecided(row, f"{reason}, but a loss is not certain")


def _is_tested(one: Slice, estimate: Estimate, limit: float, config: EvaluateConfig) -> bool:
    """Whether a slice may be refused: which ones are depends on their size alone."""
    return one.name != OVERALL and one.examples >= config.min_slice and _decides(estimate, limit)


def _decides(estimate: Estimate, limit: float) -> bool:
    """Whether so many examples could pass if no answer differed."""
    return estimate.narrowest is not None and estimate.narrowest < limit


def _too_few(one: Slice, limit: float, confidence: float, scale: float, estimate: Estimate) -> str:
    """Say how many examples a limit needs."""
    least = intervals.needed(limit, confidence, scale)
    if least is None:
        return "no number of examples shows that nothing at all is lost: raise compress.margin"
    least = least if estimate.narrowest is not None else max(PARTS, least)
    return (
        f"{one.examples} examples are too few: to show a loss of less than {limit:g} (compress.max_drop + "
        f"compress.margin) takes at least {least}, even if no answer differs"
    )


def _untold(one: Slice, estimate: Estimate, config: EvaluateConfig, metric: Metric) -> str:
    """Why nothing is decided of a slice, whatever its figure is; "" if it is."""
    if one.name != OVERALL and one.examples < config.min_slice:
        return f"{one.examples} examples, fewer than evaluate.min_slice ({config.min_slice}); reported, not gated"
    if math.isnan(estimate.value):
        return f"{metric.name} means nothing here" + ("" if one.name == OVERALL else "; reported, not gated")
    return ""


def _undecided(row: Gate, reason: str) -> Gate:
    return row.model_copy(update={"passed": False, "undecided": True, "reason": reason})
