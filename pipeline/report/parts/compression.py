"""What was tried to make the model small, and what that cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts
from modelmill.pipeline.report.parts import layers, quality, quality_classes, verdict

# Trials, each with what it is picked for.
Picked = list[tuple[dict[str, Any], list[str]]]
ROLES = ("chosen", "within budget", "over budget", "float32")


def make(run: Recorded) -> dict[str, Any]:
    """Planes, picks, layers and agreement; empty if nothing was compressed."""
    report = run.json("compress", "report", "trials.json")
    if not report:
        return {}
    name = verdict.metric(run)
    sound = [one for one in report["trials"] if one["status"] == "ok" and name in one.get("metrics", {})]
    failed = [[one.get("label", ""), one.get("reason", "")] for one in report["trials"] if one["status"] != "ok"]
    chosen = report["trials"][report["chosen"]]
    picked = _picked(sound, chosen, name, verdict.judged_by(run).higher)
    return {
        "figures": _planes(run, report, sound, picked, name) + _agreement(run),
        "picks": _picks(picked, name, report["float"]),
        "trials": _trials(report, chosen, name),
        "failed": failed,
        "layers": layers.make(run),
        "skipped": _skipped(chosen),
    }


def front(rows: list[dict[str, Any]], x: str, higher: bool = True) -> list[dict[str, Any]]:
    """The rows that no other beats: none is smaller and at least as good. In the order of x."""
    best, kept, sign = -np.inf, [], 1 if higher else -1
    for row in sorted(rows, key=lambda one: (one[x], -sign * one["quality"])):
        if sign * row["quality"] > best:
            best = sign * row["quality"]
            kept.append(row)
    return kept


def _planes(
    run: Recorded,
    report: dict[str, Any],
    sound: list[dict[str, Any]],
    picked: Picked,
    name: str,
) -> list[charts.Figure]:
    exact, chosen, judge = report["float"], report["trials"][report["chosen"]], verdict.judged_by(run)
    picks = {id(one): ", ".join(role for role in roles if role != "chosen") for one, roles in picked}
    drop = run.setting("compress", "max_drop")
    figures = []
    for x, title, unit, limit, show in (
        ("gzip_bytes", "Size and quality", "bytes, gzipped", run.setting("compress", "max_bytes"), format.size),
        (
            "latency_ms",
            "Latency and quality",
            "milliseconds",
            run.setting("compress", "max_latency_ms"),
            format.latency,
        ),
    ):
        measured = [(one, _role(one, chosen)) for one in sound] + [(exact, "float32")]
        rows = [
            {
                x: one[x],
                "quality": one["metrics"][name],
                "label": one.get("label") or "float32",
                "role": role,
                "pick": picks.get(id(one), ""),
            }
            for one, role in sorted(measured, key=lambda pair: ROLES.index(pair[1]))
            if one.get(x) is not None and name in one.get("metrics", {})
        ]
        if not rows:
            continue
        limits: list[dict[str, Any]] = []
        if drop is not None and name in exact.get("metrics", {}):
            limits.append({"y": exact["metrics"][name] + judge.worse(drop), "note": f"compress.max_drop {drop:g}"})
        if limit is not None:
            limits.append({"x": limit, "note": f"at most {show(limit)}"})
        best = front(rows, x, judge.higher)
        names = format.several(list(dict.fromkeys(one["label"] for one in best)))
        lines = " Dashed: the budget." if limits else ""
        says = f"{'Up' if judge.higher else 'Down'} and to the left is better; nothing beats {names}.{lines} "
        says += f"({name.capitalize()} of the eval split.)"
        chart = charts.plane(rows, best, x, unit, name, limits)
        figures.append(charts.figure(x.replace("_", "-"), title, says, chart, 300))
    return figures


def _role(trial: dict[str, Any], chosen: dict[str, Any]) -> str:
    if trial is chosen:
        return "chosen"
    return "within budget" if trial.get("within_budget") else "over budget"


def _picked(sound: list[dict[str, Any]], chosen: dict[str, Any], name: str, higher: bool) -> Picked:
    """The best, the smallest, what lies between, and the chosen one, each with what it is picked for.

    One trial may be several of them.
    """
    if not sound:
        return []
    good = {id(one): one["metrics"][name] if higher else -one["metrics"][name] for one in sound}
    best = max(sound, key=lambda one: (good[id(one)], -one["gzip_bytes"]))
    small = min(sound, key=lambda one: (one["gzip_bytes"], -good[id(one)]))
    ranges = [list(good.values()), [one["gzip_bytes"] for one in sound]]
    spans = [max(one) - min(one) or 1 for one in ranges]

    def away(one: dict[str, Any]) -> float:
        """From the best of both, each in units of its range."""
        worse, larger = max(ranges[0]) - good[id(one)], one["gzip_bytes"] - min(ranges[1])
        return float(worse / spans[0] + larger / spans[1])

    found = [("quality", best), ("balanced", min(sound, key=away)), ("compact", small)]
    if any(one is chosen for one in sound) and not any(one is chosen for _, one in found):
        found.insert(0, ("", chosen))
    picked: dict[int, tuple[dict[str, Any], list[str]]] = {}
    for role, one in found:
        picked.setdefault(id(one), (one, []))[1].extend([role] if role else [])
    for one, roles in picked.values():
        roles.extend(["chosen"] if one is chosen else [])
    return list(picked.values())


def _picks(picked: Picked, name: str, exact: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "role": ", ".join(roles),
            "label": one["label"],
            "chosen": "chosen" if "chosen" in roles else "",
            "quality": format.number(one["metrics"][name]),
            "size": format.size(one["gzip_bytes"]),
            "gain": format.times(exact.get("gzip_bytes"), one["gzip_bytes"]),
            "latency": format.latency(one.get("latency_ms")),
            "over": "; ".join(one.get("over", [])),
        }
        for one, roles in picked
    ]


def _trials(report: dict[str, Any], chosen: dict[str, Any], name: str) -> dict[str, Any]:
    rows = []
    for one in [report["float"], *report["trials"]]:
        result = (
            "chosen"
            if one is chosen
            else "failed"
            if one["status"] != "ok"
            else "; ".join(one.get("over", [])) or "within budget"
        )
        rows.append(
            [
                one.get("label") or "float32",
                format.number((one.get("metrics") or {}).get(name)),
                format.size(one.get("bytes")),
                format.size(one.get("gzip_bytes")),
                format.latency(one.get("latency_ms")),
                format.share(one.get("sparsity")),
                format.duration(one.get("seconds")),
                "" if one is report["float"] else result,
            ]
        )
    return {"columns": ["chain", name, "bytes", "gzipped", "latency", "zeros", "took", "result"], "rows": rows}


def _agreement(run: Recorded) -> list[charts.Figure]:
    """How often float and compressed give the same answer."""
    found = quality.answers(run)
    if found is None:
        return []
    same = found.answer("float") == found.answer("compressed")
    rows: charts.Rows = [
        {
            "class": label,
            "share": float(same[found.truth == number].mean()),
            "examples": int((found.truth == number).sum()),
        }
        for number, label in enumerate(found.labels)
        if (found.truth == number).any()
    ]
    rows = sorted(rows, key=lambda row: (row["share"], format.natural(row["class"])))[: quality_classes.SLICES]
    lowest = max(0.0, np.floor(min(row["share"] for row in rows) * 10 - 1) / 10)
    differ = int((~same).sum())
    says = (
        f"Float and compressed model answer differently to {differ} of {len(same)} test examples; "
        f"most often in class {rows[0]['class']}."
        if differ
        else f"Float and compressed model give the same answer to all {len(same)} test examples."
    )
    chart = charts.shares(rows, "class", "same answer", float(lowest))
    made = charts.figure("agreement", "Agreement of float and compressed", says, chart, 60 + 20 * len(rows))
    return [{**made, "wide": True}]


def _skipped(chosen: dict[str, Any]) -> list[list[str]]:
    return [[one["layer"], one["method"], one["reason"]] for one in chosen.get("skipped", [])]
