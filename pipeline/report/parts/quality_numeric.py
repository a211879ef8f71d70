"""Draw the figures of answers that are no classes: numbers, scores, several labels at once; list the worst examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data import figures, ranking
from modelmill.data.core import format
from modelmill.data.figures import Errors, LabelPrecision, PrecisionRecall, Roc, Scatter, Scores
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts, plots
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples import render

BINS, POINTS, WORST = 30, 1500, 12
MODELS = charts.MODELS


def scatter(run: Recorded, found: Scatter) -> list[charts.Figure]:
    """Draw answers against truths, of so many examples at most."""
    mean = {model: float(np.abs(found.answers[model] - found.truth).mean()) for model in MODELS}
    some = np.random.default_rng(0).permutation(len(found.truth))[:POINTS]
    rows: charts.Rows = [
        {"truth": float(truth), "answer": float(answer), "model": model}
        for model in MODELS
        for truth, answer in zip(found.truth[some].ravel(), found.answers[model][some].ravel(), strict=True)
    ]
    values = [row[key] for row in rows for key in ("truth", "answer")]
    says = f"The compressed model is off by {format.number(mean['compressed'])} on average, float by "
    says += f"{format.number(mean['float'])}. Points above the dashed line are answers that are too high."
    if len(some) < len(found.truth):
        says += f" {format.plural(len(some), 'example')} drawn by chance."
    chart = plots.scatter(rows, min(values), max(values))
    return [charts.figure("answers", "Answers and truths", says, chart, 320)]


def errors(run: Recorded, found: Errors) -> list[charts.Figure]:
    """Draw the histogram of differences, and tell to which side they lean."""
    off = {model: found.differences[model] for model in MODELS}
    mean, tilt = float(np.abs(off["compressed"]).mean()), float(off["compressed"].mean())
    lean = "too high" if tilt > 0 else "too low"
    says = f"On average the compressed model's answers are {format.number(abs(tilt))} {lean}."
    if abs(tilt) < 0.05 * max(mean, 1e-12):
        says = "The compressed model's errors lean to neither side."
    return [charts.figure("errors", "Errors", says, plots.histogram(_counts(off), "answer minus truth"), 320)]


def roc(run: Recorded, found: Roc) -> list[charts.Figure]:
    """Draw the ROC curve of a score."""
    from sklearn.metrics import roc_curve

    areas = {model: ranking.auc(found.scores[model], found.positive) for model in MODELS}
    rows: charts.Rows = []
    for model in MODELS:
        false, true, _ = roc_curve(found.positive, found.scores[model])
        rows += charts.thin(false, true, found.name, model)
    says = f"Area under the curve {areas['compressed']:.4f}, float {areas['float']:.4f}."
    return [charts.figure("roc", "ROC", says, charts.ranking(rows, [found.name], "false positives", "true positives"))]


def precision_recall(run: Recorded, found: PrecisionRecall) -> list[charts.Figure]:
    """Draw the precision-recall curve of a score."""
    from sklearn.metrics import precision_recall_curve

    rows: charts.Rows = []
    for model in MODELS:
        precision, recalled, _ = precision_recall_curve(found.positive, found.scores[model])
        rows += charts.thin(recalled[::-1], precision[::-1], found.name, model)
    count = f"{int(found.positive.sum()):,} of {len(found.positive):,}"
    says = f"{count} examples are {found.plural}: that is the precision of guessing."
    ranked = charts.ranking(rows, [found.name], "recall", "precision")
    return [charts.figure("precision-recall", "Precision and recall", says, ranked)]


def scores(run: Recorded, found: Scores) -> list[charts.Figure]:
    """Draw a histogram of scores for each kind of examples."""
    kinds = dict(found.scores)
    chart = plots.histogram(_counts(kinds), "score of the compressed model", list(kinds))
    says = "The less the two overlap, the better a threshold tells them apart."
    return [{**charts.figure("scores", "Scores", says, chart), "wide": True}]


def label_precision(run: Recorded, found: LabelPrecision) -> list[charts.Figure]:
    """Draw how well each label is found, the hardest first."""
    from sklearn.metrics import average_precision_score

    rows: charts.Rows = [
        {
            "label": found.labels[place],
            "share": float(average_precision_score(found.truth[:, place] > 0, found.scores[:, place])),
            "examples": int((found.truth[:, place] > 0).sum()),
        }
        for place in range(found.truth.shape[1])
        if (found.truth[:, place] > 0).any()
    ]
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: row["share"])[:40]
    says = f"Hardest to find: {rows[0]['label']}, average precision {rows[0]['share']:.3f}."
    chart = charts.shares(rows, "label", "average precision", 0.0)
    made = charts.figure("labels", "Average precision per label", says, chart, 60 + 20 * len(rows))
    return [{**made, "wide": True}]


def _counts(series: Mapping[str, NDArray[np.float64]]) -> charts.Rows:
    """Histograms with common borders, which leave out the outermost hundredth."""
    every = np.concatenate([one.ravel() for one in series.values()])
    low, high = (float(one) for one in np.quantile(every, [0.005, 0.995]))
    borders = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return [
        {"from": float(borders[place]), "to": float(borders[place + 1]), "count": int(count), "series": name}
        for name, one in series.items()
        for place, count in enumerate(np.histogram(one, borders)[0])
    ]


def furthest_off(
    run: Recorded, content: list[str], found: figures.Recorded, off: NDArray[np.float64]
) -> dict[str, Any]:
    """List the examples on which the compressed model is furthest off."""
    order = np.argsort(-off, kind="stable")[:WORST]
    split, data = run.path("ingest", "examples", "Split-test"), run.setting("data") or {}
    raw = examples.raw(split, {content[one] for one in order}) if split else {}
    rows = []
    for one in order:
        example = raw.get(content[one], {})
        rows.append(
            {
                "digest": content[one],
                "path": example.get("path") or content[one][:12],
                "shown": render.example(str(data.get("modality")), example, data) if example else None,
                "truth": _told(found.truth[one]),
                "answer": _told(found.answers["compressed"][one]),
                "wrong": True,
                "probability": "",
                "right_probability": "",
                "float": _told(found.answers["float"][one]),
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
