"""What came out, and what was given up for what."""

from __future__ import annotations

from typing import Any

from modelmill.components.gates import outcome, tally
from modelmill.components.intervals import wilson
from modelmill.data import task
from modelmill.data.core import format
from modelmill.data.core.plugins import PlugInError, UnknownNameError
from modelmill.data.metric import Metric
from modelmill.data.spec import DEFAULT
from modelmill.pipeline.records.mlmd import Recorded

HEADS = {
    "pushed": ("Pushed", "good"),
    "refused": ("Refused", "bad"),
    "failed": ("Failed", "bad"),
    "partial": ("A part of the chain", "plain"),
    "unfinished": ("Not finished", "plain"),
}


def make(run: Recorded) -> dict[str, Any]:
    """Head line, tiles, the two models side by side, and the gates."""
    found = run.summary
    head, tone = HEADS.get(found["status"], (found["status"], "plain"))
    gates = found.get("gates", [])
    refused = [gate for gate in gates if outcome(gate) == "refused"]
    shown = [gate for gate in gates if outcome(gate) == "refused" or gate["slice"] == "overall"]
    hidden = [gate for gate in gates if gate not in shown]
    return {
        "head": head,
        "tone": tone,
        "says": _sentence(run, refused),
        "reason": _reason(found, refused),
        "tiles": _tiles(run),
        "models": _models(run),
        "gates": {
            "shown": [_gate(gate) for gate in shown],
            "hidden": [_gate(gate) for gate in hidden],
            "counts": tally(hidden),
            "says": _gates_sentence(gates),
        },
        "pushed": found.get("pushed"),
    }


def tested(run: Recorded) -> int | None:
    """Number of examples of the test split that were judged."""
    metrics = run.json("evaluate-compressed", "evaluation", "metrics.json") or {}
    count = metrics.get("examples")
    return int(count) if count is not None else None


def metric(run: Recorded) -> str:
    """The metric by which the gates judge."""
    return judged_by(run).name


def judged_by(run: Recorded) -> Metric:
    """What is known of that metric; of one that is unknown here, accuracy."""
    asked = task.name_of(run.setting("data", "task"))
    try:
        return task.metric(asked, run.setting("evaluate", "metric"))
    except (UnknownNameError, PlugInError):  # of another version, or a plug-in that is not there
        return task.metric(DEFAULT)


def quality(model: dict[str, Any] | None, name: str) -> float | None:
    """The metric of a model in the summary."""
    return (model or {}).get("metrics", {}).get(name)


def _sentence(run: Recorded, refused: list[dict[str, Any]]) -> str:
    found, name = run.summary, metric(run)
    exact, small = found.get("float"), found.get("compressed")
    told = ""
    before, after = quality(exact, name), quality(small, name)
    if exact and small and before is not None and after is not None:
        gains = [format.times(exact["gzip_bytes"], small["gzip_bytes"]) + " gzipped"]
        if exact.get("latency_ms") and small.get("latency_ms"):
            gains.append(format.speed(exact["latency_ms"], small["latency_ms"]))
        lost = judged_by(run).lost(before, after)
        price = "no " + name if abs(lost) < 1e-11 else f"{_amount(run, lost)} of {name}"
        if lost < -1e-11:
            price = f"no {name} ({_amount(run, -lost)} better)"
        judged = tested(run)
        over = f" on {format.plural(judged, 'test example')}" if judged else ""
        told = f"The compressed model ({small.get('label')}) is {' and '.join(gains)}, and gives up {price}{over}."
    if found["status"] == "refused":
        names = list(dict.fromkeys(gate["gate"] for gate in refused))
        by = f"the gate {names[0]}" if len(names) == 1 else f"the gates {format.several(names)}"
        return f"Nothing was pushed: {by if names else 'a gate'} refused. {told}".strip()
    if found["status"] == "unfinished":
        return "The run was stopped before its end; what it left is below."
    if found["status"] == "failed":
        node = (found.get("failure") or {}).get("node")
        return f"The run ended in {node}; what it left is below." if node else "The run ended early."
    return told or "The nodes that were asked for have done their work; no model was pushed."


def _amount(run: Recorded, value: float) -> str:
    """A difference of the metric: points, if it is a share."""
    one = judged_by(run)
    return f"{100 * value:.2f} points" if (one.least, one.most) == (0, 1) else format.number(value)


def _reason(found: dict[str, Any], refused: list[dict[str, Any]]) -> str:
    """Why it ended early."""
    if found.get("failure"):
        return str(found["failure"]["reason"])
    return "\n".join(f"{gate['gate']}, {gate['slice']}: {gate['reason'] or _figures(gate)}" for gate in refused)


def _figures(gate: dict[str, Any]) -> str:
    return f"{gate['metric']} is {format.number(gate['value'])}, the bound is {format.number(gate['bound'])}"


def _tiles(run: Recorded) -> list[dict[str, str]]:
    """The three figures that people ask for first."""
    exact, small, name = run.summary.get("float"), run.summary.get("compressed"), metric(run)
    rows: list[tuple[str, Any, Any, Any]] = [
        (name, quality(exact, name), quality(small, name), format.number),
        ("size, gzipped", (exact or {}).get("gzip_bytes"), (small or {}).get("gzip_bytes"), format.size),
        ("latency", (exact or {}).get("latency_ms"), (small or {}).get("latency_ms"), format.latency),
    ]
    return [
        {"name": title, "float": show(before), "value": show(after if after is not None else before)}
        for title, before, after, show in rows
        if before is not None or after is not None
    ]


def _models(run: Recorded) -> dict[str, Any] | None:
    """A row for each figure: [name, float, compressed, change]."""
    exact, small = run.summary.get("float"), run.summary.get("compressed")
    if not exact:
        return None
    name, judged, both = metric(run), tested(run), (exact, small or {})
    level = run.setting("evaluate", "confidence") or 0.95
    before, after = (quality(one, name) for one in both)
    change = (
        ""
        if before is None or after is None
        else f"{'-' if after < before else '+'}{_amount(run, abs(after - before))}"
    )
    # Wilson's interval is one of a share of examples.
    counted = judged if judged_by(run).SHARE else None
    rows = [[f"{name} (test split)", *(_with_interval(one, counted, level) for one in (before, after)), change]]
    rows += [
        [key, *(format.number((one.get("metrics") or {}).get(key)) for one in both), ""]
        for key in exact["metrics"]
        if key != name
    ]
    for key, title in (("bytes", "flatbuffer"), ("gzip_bytes", "flatbuffer, gzipped")):
        rows.append(
            [title, *(format.exact_size(one.get(key)) for one in both), format.times(*(one.get(key) for one in both))]
        )
    latencies = [one.get("latency_ms") for one in both]
    measured = [format.latency(one) for one in latencies]
    rows.append(["latency of one example, one thread", *measured, format.speed(*latencies)])
    trials = run.json("compress", "report", "trials.json") or {}
    chosen = trials["trials"][trials["chosen"]] if trials.get("trials") else {}
    for key, title in (("macs", "multiply-accumulates"), ("sparsity", "zeros among the weights")):
        values = [one.get(key) for one in (trials.get("float", {}), chosen)]
        if any(value is not None for value in values):
            shown = [format.number(one) if key == "macs" else format.share(one, 1) for one in values]
            rows.append([title, *shown, ""])
    rows = [row for row in rows if set(row[1:3]) != {"–"}]  # a part of the chain knows less
    made = (small or {}).get("label") or "–"
    told = {"columns": ["", "float", f"compressed: {made}", "change"], "rows": rows}
    return {**told, "level": f"{level:.0%}" if counted else ""}


def _with_interval(value: float | None, examples: int | None, level: float) -> str:
    """A figure with the interval that the gates give it."""
    if value is None or not examples:
        return format.number(value)
    lower, upper = wilson(round(value * examples), examples, level)
    return format.with_interval(value, lower, upper)


def _gate(gate: dict[str, Any]) -> dict[str, Any]:
    lower, upper = gate["lower"], gate["upper"]
    return {
        "gate": gate["gate"],
        "metric": gate["metric"],
        "slice": gate["slice"],
        "value": format.number(gate["value"]),
        "interval": "" if lower is None else f"{format.number(lower, 3)} to {format.number(upper, 3)}",
        "bound": format.number(gate["bound"]),
        "outcome": outcome(gate),
        "reason": gate["reason"],
    }


def _gates_sentence(gates: list[dict[str, Any]]) -> str:
    if not gates:
        return "The run ended before a gate could decide."
    found = [outcome(gate) for gate in gates]
    told = f"Of {format.plural(len(gates), 'condition')}, those of single slices among them: {tally(gates)}."
    if found.count("passed") == len(gates):
        return f"All {format.plural(len(gates), 'condition')} of the gates held, those of single slices among them."
    return f"{told} Undecided is where the test examples are too few to tell." if "undecided" in found else told
