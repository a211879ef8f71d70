"""Sets runs side by side: what differs in the experiments, what in the figures, and whether that means anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelmill.components.gates import outcome
from modelmill.data.core import format
from modelmill.data.core.stats import mcnemar
from modelmill.pipeline.records import mlmd
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report import page
from modelmill.pipeline.report.charts import charts
from modelmill.pipeline.report.examples.read import Answers
from modelmill.pipeline.report.parts import compression, quality, training, verdict

SURE = 0.05
MODELS = ("compressed", "float")


def write(folders: list[Path], output: Path | None = None) -> Path:
    """Makes the page of two or more runs, the first of which is the one that the others are compared with.

    Args:
      folders: of the runs.
      output: the folder that takes the page; the last run's if absent.

    Returns:
      The page's path: compare.html.
    """
    runs = [mlmd.read(folder) for folder in folders]
    names = _names(runs)
    content = {
        "title": " and ".join(names),
        "says": _sentence(runs, names),
        "names": names,
        "settings": _settings(runs, names),
        "figures": _table(runs, names),
        "notes": [note for model in MODELS for note in _significance(runs, names, model)],
        "charts": [*_curves(runs, names), *_plane(runs, names)],
    }
    return page.save(runs[0].folders, "compare.html", content, (output or folders[-1]) / "compare.html")


def _names(runs: list[Recorded]) -> list[str]:
    """Ids; with the experiment if there are several."""
    several = len({run.folders.experiment for run in runs}) > 1
    return [f"{run.folders.name} {run.folder.id}" if several else run.folder.id for run in runs]


def _sentence(runs: list[Recorded], names: list[str]) -> str:
    name = verdict.metric(runs[0])
    found = [(verdict.quality(run.summary.get("compressed"), name), names[place]) for place, run in enumerate(runs)]
    told = [(value, one) for value, one in found if value is not None]
    if len(told) < 2:
        return "Fewer than two of the runs came to a compressed model that was tested."
    best = max(told, key=lambda pair: pair[0] if verdict.judged_by(runs[0]).higher else -pair[0])
    same = [one for value, one in told if value == best[0]]
    if len(same) > 1:
        return f"{format.several(same)} have the same {name} compressed: {best[0]:.4f}."
    return f"{best[1]} has the best {name} compressed: {best[0]:.4f}. Whether that is more than chance is said below."


def _settings(runs: list[Recorded], names: list[str]) -> dict[str, Any]:
    """Settings that are not the same in all runs."""
    flat = [dict(_flat(run.experiment)) for run in runs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    rows = [
        [key, *(str(one.get(key, "–")) for one in flat)]
        for key in keys
        if len({str(one.get(key, "–")) for one in flat}) > 1
    ]
    return {"columns": ["setting", *names], "rows": rows}


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for key, one in value.items() for pair in _flat(one, f"{path}.{key}" if path else str(key))]
    return [(path, value)]


def _table(runs: list[Recorded], names: list[str]) -> dict[str, Any]:
    """A row per figure."""
    name = verdict.metric(runs[0])
    rows = [["status", *(run.summary["status"] for run in runs)]]
    for model in ("float", "compressed"):
        found = [run.summary.get(model) or {} for run in runs]
        rows.append([f"{name}, {model}", *(format.number(verdict.quality(one, name)) for one in found)])
        rows.append([f"gzipped, {model}", *(format.size(one.get("gzip_bytes")) for one in found)])
        rows.append([f"latency, {model}", *(format.latency(one.get("latency_ms")) for one in found)])
    rows.append(["made by", *(str((run.summary.get("compressed") or {}).get("label", "–")) for run in runs)])
    epochs = [run.json("train", "model_run", "history.json") for run in runs]
    rows.append(["epochs", *(str(len(one)) if one else "–" for one in epochs)])
    rows.append(["time of the run", *(format.duration(run.summary.get("seconds")) for run in runs)])
    rows_of = [run.summary.get("gates", []) for run in runs]
    refused = [[gate["gate"] for gate in gates if outcome(gate) == "refused"] for gates in rows_of]
    rows.append(["refused by", *(format.several(list(dict.fromkeys(one))) or "–" for one in refused)])
    return {"columns": ["", *names], "rows": rows}


def _significance(runs: list[Recorded], names: list[str], model: str) -> list[str]:
    """McNemar's test of each run against the first, on the test examples that both have judged."""
    first, notes = quality.answers(runs[0]), []
    for run, name in zip(runs[1:], names[1:], strict=True):
        other = quality.answers(run)
        if first is None or other is None:
            notes.append(f"{name}, {model}: no predictions to compare.")
            continue
        one, two = _shared(first, other, model)
        if not len(one):
            notes.append(f"{name}, {model}: it was tested on other examples, so nothing can be said.")
            continue
        only_first, only_other, chance = mcnemar(one, two)
        told = (
            f"on {len(one)} shared test examples, only {name} is right on {only_other}, only {names[0]} on {only_first}"
        )
        end = "there is no telling which is better" if chance >= SURE else "that is more than chance"
        notes.append(f"{model.capitalize()} models: {told}; p = {chance:.2g} (McNemar), {end}.")
    return notes


def _shared(first: Answers, other: Answers, model: str) -> tuple[Any, Any]:
    """Whether each was right, on the examples that both have, bool [shared]."""
    rights = [dict(zip(one.content, one.correct(model), strict=True)) for one in (first, other)]
    shared = sorted(set(rights[0]) & set(rights[1]))
    one, two = (np.array([right[key] for key in shared], bool) for right in rights)
    return one, two


def _curves(runs: list[Recorded], names: list[str]) -> list[charts.Figure]:
    figures = []
    for key, title in (
        (f"{training.VALIDATION}loss", "Loss on eval"),
        (f"{training.VALIDATION}accuracy", "Accuracy on eval"),
    ):
        rows = [
            {"epoch": epoch, "series": name, "value": row[key]}
            for run, name in zip(runs, names, strict=True)
            for epoch, row in enumerate(run.json("train", "model_run", "history.json") or [], start=1)
            if key in row
        ]
        if rows:
            ends = {row["series"]: row["value"] for row in rows}
            says = (
                f"At the end: {format.several([f'{format.number(value)} of {name}' for name, value in ends.items()])}."
            )
            chart = charts.curves(
                rows, title.lower(), log=key.endswith("loss") and min(row["value"] for row in rows) > 0
            )
            figures.append(charts.figure(key.replace("_", "-"), title, says, chart))
    return figures


def _plane(runs: list[Recorded], names: list[str]) -> list[charts.Figure]:
    """All trials of all runs by size and quality."""
    rows = []
    for run, name in zip(runs, names, strict=True):
        metric = verdict.metric(run)
        for one in (run.json("compress", "report", "trials.json") or {}).get("trials", []):
            if one["status"] == "ok" and metric in one["metrics"]:
                point = {"gzip_bytes": one["gzip_bytes"], "quality": one["metrics"][metric], "label": one["label"]}
                rows.append({**point, "role": name})
    if not rows:
        return []
    higher = verdict.judged_by(runs[0]).higher
    best = compression.front(rows, "gzip_bytes", higher)
    winners = format.several([f"{one['label']} of {one['role']}" for one in best])
    says = f"{'Up' if higher else 'Down'} and to the left is better; nothing beats {winners}."
    chart = charts.plane(rows, best, "gzip_bytes", "bytes, gzipped", f"{verdict.metric(runs[0])} (eval split)", [])
    return [{**charts.figure("trials", "Every trial", says, chart), "wide": True}]
