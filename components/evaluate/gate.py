"""What the two evaluations are held to, as gate rows."""

from __future__ import annotations

from typing import Any

from components.evaluate import results
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions import COMPRESSED, FLOAT
from components.evaluate.results import OVERALL, TOLERANCE, Measure, Slice
from components.gates import Gate


def float_gates(evaluation: str, config: EvaluateConfig) -> list[Gate]:
    """The rows of TFX's Evaluator, from what it wrote: all pass if, and only if, it gave its blessing.

    Args:
      evaluation: the folder of its ModelEvaluation.
      config: what the Evaluator was made with.
    """
    slices = results.read(evaluation)
    overall = slices[OVERALL]
    rows = [_threshold("threshold", _candidate(overall), overall, config.threshold, config)]
    change = overall.difference
    if change is None:
        none = "there was no baseline"
        rows.append(Gate(gate="regression", metric=_change(config), passed=True, reason=none))
    else:
        row = _threshold("regression", change, overall, -config.max_regression, config)
        rows.append(row.model_copy(update={"metric": _change(config)}))
    if config.slice_threshold is not None:
        for one in list(slices.values())[1:]:
            row = _threshold("slice_threshold", _candidate(one), one, config.slice_threshold, config)
            rows.append(_reported(row, one) if one.examples < config.min_slice else row)
    return rows


def compressed_gates(
    slices: dict[str, Slice], config: EvaluateConfig, max_drop: float, margin: float, report: dict[str, Any]
) -> list[Gate]:
    """The rows of the compressed model: non-inferiority to the float one, per slice, and the budget.

    Non-inferior: the lower end of the paired interval of the difference is above -(max_drop + margin).
    """
    rows = []
    for one in slices.values():
        row = _non_inferiority(one, config, -(max_drop + margin))
        small = one.name != OVERALL and one.examples < config.min_slice
        rows.append(_reported(row, one) if small else row)
    chosen = report["trials"][report["chosen"]]
    over = "; ".join(chosen.get("over", [])) or "no chain is within the budget"
    within = bool(report["within_budget"])
    rows.append(Gate(gate="budget", metric="budget", passed=within, reason="" if within else over))
    return rows


def figures(slices: dict[str, Slice], confidence: float) -> dict[str, Any]:
    """The overall figures, and those of each slice under `slices`, for metrics.json."""
    found = {name: _figures(one, confidence) for name, one in slices.items()}
    return {**found.pop(OVERALL), "slices": found}


def _figures(one: Slice, confidence: float) -> dict[str, Any]:
    lower, upper = _difference(one).interval(confidence)
    return {
        "float": {"accuracy": one.accuracy[FLOAT].value},
        "compressed": {"accuracy": one.accuracy[COMPRESSED].value},
        "difference": {"accuracy": _difference(one).value, "lower": lower, "upper": upper},
        "examples": one.examples,
    }


def _candidate(one: Slice) -> Measure:
    """TFX names the models where there is a baseline, and not where there is none."""
    return one.accuracy["candidate"] if "candidate" in one.accuracy else one.accuracy[""]


def _difference(one: Slice) -> Measure:
    assert one.difference is not None, "the recorded predictions are always compared"
    return one.difference


def _change(config: EvaluateConfig) -> str:
    """What a difference of two models is called."""
    return f"{config.metric}_difference"


def _threshold(gate: str, measure: Measure, one: Slice, bound: float, config: EvaluateConfig) -> Gate:
    """A row that the value itself decides, as TFMA does."""
    lower, upper = measure.interval(config.confidence)
    return Gate(
        gate=gate,
        metric=config.metric,
        slice=one.name,
        value=measure.value,
        lower=lower,
        upper=upper,
        bound=bound,
        passed=measure.value >= bound - TOLERANCE,
    )


def _non_inferiority(one: Slice, config: EvaluateConfig, bound: float) -> Gate:
    measure = _difference(one)
    lower, upper = measure.interval(config.confidence)
    # No interval: too few examples for one, or no example on which the two differ.
    held = measure.value if lower is None else lower
    passed = held > bound
    return Gate(
        gate="non_inferiority",
        metric=_change(config),
        slice=one.name,
        value=measure.value,
        lower=held,
        upper=measure.value if upper is None else upper,
        bound=bound,
        passed=passed,
        reason="" if passed else f"the difference may be as low as {held:+.4f}; above {bound:+.4f} is allowed",
    )


def _reported(row: Gate, one: Slice) -> Gate:
    return row.model_copy(update={"passed": True, "reason": f"{one.examples} examples, reported, not gated"})
