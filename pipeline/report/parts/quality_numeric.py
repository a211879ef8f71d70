"""Quality where the answer is no class: numbers of a regression, scores of anomalies, or several labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data import metrics
from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts, plots
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples import render
from modelmill.pipeline.report.examples.read import Numbers

BINS, POINTS, WORST = 30, 1500, 12
MODELS = charts.MODELS


def make(run: Recorded, task: str, labels: list[str]) -> dict[str, Any]:
    """Figures of the task and the worst examples; empty without predictions, or for a task that is unknown here."""
    folder = run.path("evaluate-compressed", "predictions")
    found = examples.numbers(folder) if folder else None
    makers = {"regression": _regression, "anomaly": _anomaly, "multilabel": _multilabel}
    if found is None or task not in makers:
        return {}
    figures, off = makers[task](found, labels)
    return {"examples": len(found.content), "figures": figures, "mistakes": _worst(run, found, off), "saliency": ""}


def _regression(found: Numbers, labels: list[str]) -> tuple[list[charts.Figure], NDArray[np.float64]]:
    """How far answers are from truths; the distance of each example."""
    off = {model: found.models[model] - found.truth for model in MODELS}
    mean = {model: float(np.abs(one).mean()) for model, one in off.items()}
    some = np.random.default_rng(0).permutation(len(found.truth))[:POINTS]
    rows: charts.Rows = [
        {"truth": float(truth), "answer": float(answer), "model": model}
        for model in MODELS
        for truth, answer in zip(found.truth[some].ravel(), found.models[model][some].ravel(), strict=True)
    ]
    values = [row[key] for row in rows for key in ("truth", "answer")]
    says = f"The compressed model is off by {format.number(mean['compressed'])} on average, float by "
    says += f"{format.number(mean['float'])}. Points above the dashed line are answers that are too high."
    if len(some) < len(found.truth):
        says += f" {format.plural(len(some), 'example')} drawn by chance."
    scatter = charts.figure("answers", "Answers and truths", says, plots.scatter(rows, min(values), max(values)), 320)
    tilt = float(off["compressed"].mean())
    lean = "too high" if tilt > 0 else "too low"
    says = f"On average the compressed model's answers are {format.number(abs(tilt))} {lean}."
    if abs(tilt) < 0.05 * max(mean["compressed"], 1e-12):
        says = "The compressed model's errors lean to neither side."
    chart = plots.histogram(_counts(off), "answer minus truth")
    return [scatter, charts.figure("errors", "Errors", says, chart, 320)], np.abs(off["compressed"]).max(axis=1)


def _anomaly(found: Numbers, labels: list[str]) -> tuple[list[charts.Figure], NDArray[np.float64]]:
    """How well scores tell anomalies (truth 1) from what is normal; how far each example is on the wrong side."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    odd, scores = found.truth[:, 0] > 0, found.models["compressed"][:, 0]
    split = {"normal": scores[~odd, np.newaxis], "anomaly": scores[odd, np.newaxis]}
    middle = float(np.median(scores))
    figures = []
    if odd.any() and not odd.all():
        areas = {model: metrics.auc(found.models[model][:, 0], odd) for model in MODELS}
        roc, recall = [], []
        for model in MODELS:
            false, true, _ = roc_curve(odd, found.models[model][:, 0])
            roc += charts.thin(false, true, "anomaly", model)
            precision, recalled, _ = precision_recall_curve(odd, found.models[model][:, 0])
            recall += charts.thin(recalled[::-1], precision[::-1], "anomaly", model)
        says = f"Area under the curve {areas['compressed']:.4f}, float {areas['float']:.4f}."
        ranked = charts.ranking(roc, ["anomaly"], "false positives", "true positives")
        figures.append(charts.figure("roc", "ROC", says, ranked))
        ranked = charts.ranking(recall, ["anomaly"], "recall", "precision")
        says = f"{int(odd.sum()):,} of {len(odd):,} examples are anomalies: that is the precision of guessing."
        figures.append(charts.figure("precision-recall", "Precision and recall", says, ranked))
    chart = plots.histogram(_counts(split), "score of the compressed model", list(split))
    says = "The less the two overlap, the better a threshold tells them apart."
    figures.append({**charts.figure("scores", "Scores", says, chart), "wide": True})
    return figures, np.where(odd, middle - scores, scores - middle)


def _multilabel(found: Numbers, labels: list[str]) -> tuple[list[charts.Figure], NDArray[np.float64]]:
    """How well each label is found; how far the furthest label of each example is off."""
    from sklearn.metrics import average_precision_score

    given = found.models["compressed"]
    rows: charts.Rows = [
        {
            "label": labels[place] if place < len(labels) else f"label {place}",
            "share": float(average_precision_score(found.truth[:, place] > 0, given[:, place])),
            "examples": int((found.truth[:, place] > 0).sum()),
        }
        for place in range(found.truth.shape[1])
        if (found.truth[:, place] > 0).any()
    ]
    rows = sorted(rows, key=lambda row: row["share"])[:40]
    says = f"Hardest to find: {rows[0]['label']}, average precision {rows[0]['share']:.3f}." if rows else ""
    chart = charts.shares(rows, "label", "average precision", 0.0)
    made = charts.figure("labels", "Average precision per label", says, chart, 60 + 20 * len(rows))
    return [{**made, "wide": True}] if rows else [], np.abs(given - found.truth).max(axis=1)


def _counts(series: dict[str, NDArray[np.float64]]) -> charts.Rows:
    """Histograms with common borders, which leave out the outermost hundredth."""
    every = np.concatenate([one.ravel() for one in series.values()])
    low, high = (float(one) for one in np.quantile(every, [0.005, 0.995]))
    borders = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return [
        {"from": float(borders[place]), "to": float(borders[place + 1]), "count": int(count), "series": name}
        for name, one in series.items()
        for place, count in enumerate(np.histogram(one, borders)[0])
    ]


def _worst(run: Recorded, found: Numbers, off: NDArray[np.float64]) -> dict[str, Any]:
    """The examples on which the compressed model is furthest off."""
    order = np.argsort(-off, kind="stable")[:WORST]
    split, data = run.path("ingest", "examples", "Split-test"), run.setting("data") or {}
    raw = examples.raw(split, {found.content[one] for one in order}) if split else {}
    rows = []
    for one in order:
        example = raw.get(found.content[one], {})
        rows.append(
            {
                "digest": found.content[one],
                "path": example.get("path") or found.content[one][:12],
                "shown": render.example(str(data.get("modality")), example, data) if example else None,
                "truth": _told(found.truth[one]),
                "answer": _told(found.models["compressed"][one]),
                "wrong": True,
                "probability": "",
                "right_probability": "",
                "float": _told(found.models["float"][one]),
                "saliency": None,
                "attention": None,
                "tokens": [],
                "attended": [],
            }
        )
    says = f"The {format.plural(len(order), 'example')} on which the compressed model is furthest off."
    return {"title": "Furthest off", "says": says, "rows": rows}


def _told(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{one:.4g}" for one in values[:6]) + (", …" if len(values) > 6 else "")
