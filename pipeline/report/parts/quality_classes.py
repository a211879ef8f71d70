"""How good the models are on the test split, from what was recorded of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelmill.components.intervals import wilson
from modelmill.data import metrics
from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples.read import Answers
from modelmill.pipeline.report.parts import mistakes, quality_numeric

SLICES = 40
CONFUSED = 40  # classes in the matrix
CURVES = 20  # classes with curves of their own


def make(run: Recorded) -> dict[str, Any]:
    """Slices, confusions, calibration, curves and the worst mistakes; empty without recorded predictions."""
    found = answers(run)
    if found is None:
        spec = (run.json("train", "model", "modelmill/model.json") or {}).get("spec", {})
        return quality_numeric.make(run, str(spec.get("task", "")), list(spec.get("labels", [])))
    return {
        "examples": len(found.content),
        "figures": [_slices(run, found), _confusion(found), _calibration(found), *_curves(found)],
        "mistakes": mistakes.make(run, found),
        "saliency": "",
    }


def answers(run: Recorded) -> Answers | None:
    """The recorded predictions of a run, if they are classes."""
    folder = run.path("evaluate-compressed", "predictions")
    model = run.json("train", "model", "modelmill/model.json") or {}
    spec = model.get("spec", {})
    classes = spec.get("task", "classification") == "classification"
    return examples.answers(folder, spec.get("labels")) if folder and classes else None


def _slices(run: Recorded, found: Answers) -> charts.Figure:
    level = run.setting("evaluate", "confidence") or 0.95
    places = [("overall", np.ones(len(found.truth), bool))]
    places += [
        (label, found.truth == number) for number, label in enumerate(found.labels) if (found.truth == number).any()
    ]
    shares = {name: float(found.correct("compressed")[inside].mean()) for name, inside in places}
    shown = places[:1] + sorted(places[1:], key=lambda one: (shares[one[0]], format.natural(one[0])))[:SLICES]
    rows, table = [], []
    for name, inside in shown:
        line = [name, f"{int(inside.sum()):,}"]
        for model in charts.MODELS:
            right, count = int(found.correct(model)[inside].sum()), int(inside.sum())
            lower, upper = wilson(right, count, level)
            rows.append(
                {
                    "slice": name,
                    "model": model,
                    "value": right / count,
                    "lower": lower,
                    "upper": upper,
                    "examples": count,
                }
            )
            line.append(format.with_interval(right / count, lower, upper))
        table.append(line)
    worst = min(places[1:], key=lambda one: shares[one[0]], default=places[0])[0]
    least = f"least often on class {worst}: {shares[worst]:.2%}"
    says = f"The compressed model is right on {shares['overall']:.2%} of all, and {least}."
    if shares[worst] == 1:
        says = "The compressed model is right on every example of every class."
    says += f" Lines are {level:.0%} intervals (Wilson): where they are long, examples are few."
    figure = charts.figure(
        "slices", "Accuracy per class", says, charts.intervals(rows, "accuracy"), 60 + 30 * len(shown)
    )
    return {**figure, "table": {"columns": ["slice", "examples", *charts.MODELS], "rows": table}, "wide": True}


def _confusion(found: Answers) -> charts.Figure:
    classes = len(found.labels)
    matrices = {}
    for model in charts.MODELS:
        matrix = np.zeros((classes, classes), int)
        np.add.at(matrix, (found.truth, found.answer(model)), 1)
        matrices[model] = matrix
    wrong = matrices["compressed"].copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:CONFUSED]
    shown = sorted((int(one) for one in order), key=lambda one: format.natural(found.labels[one]))
    rows = []
    for model, matrix in matrices.items():
        for truth in shown:
            total = max(1, int(matrix[truth].sum()))
            for answer in shown:
                count = int(matrix[truth, answer])
                if count or classes <= 20:
                    rows.append(
                        {
                            "truth": found.labels[truth],
                            "answer": found.labels[answer],
                            "model": model,
                            "count": count,
                            "share": count / total,
                        }
                    )
    truth, answer = divmod(int(wrong.argmax()), classes)
    total = int(matrices["compressed"][truth].sum())
    says = (
        f"Most often confused by the compressed model: {found.labels[truth]} is taken for {found.labels[answer]} "
        f"in {int(wrong.max())} of {total}."
        if wrong.max()
        else "The compressed model confuses no two classes: all counts are on the diagonal."
    )
    if classes > len(shown):
        says += f" The {len(shown)} most confused classes are shown."
    labels = [found.labels[one] for one in shown]
    height = max(240, min(640, 34 * len(shown)))
    return charts.figure("confusion", "Confusion matrix", says, charts.confusion(rows, labels), height)


def _calibration(found: Answers) -> charts.Figure:
    rows, errors = [], {}
    for model in charts.MODELS:
        made = metrics.calibration(found.models[model].max(axis=1), found.correct(model))
        rows += [{**row, "model": model} for row in made.bins]
        errors[model] = made.error
    word = "can be taken at its word" if errors["compressed"] < 0.05 else "is not to be taken at its word"
    says = (
        f"The compressed model {word}: its probabilities are off by {errors['compressed']:.3f} on average "
        f"(expected calibration error; float {errors['float']:.3f}). Above the dashed line it is too modest, "
        "below it too sure."
    )
    return charts.figure("calibration", "Calibration", says, charts.calibration(rows))


def _curves(found: Answers) -> list[charts.Figure]:
    """ROC and precision-recall of each class against the rest."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    present = [one for one in range(len(found.labels)) if 0 < int((found.truth == one).sum()) < len(found.truth)]
    if not present:
        return []
    areas = {
        one: (
            metrics.auc(found.models["compressed"][:, one], found.truth == one),
            float(average_precision_score(found.truth == one, found.models["compressed"][:, one])),
        )
        for one in present
    }
    shown = sorted(present, key=lambda one: areas[one][1])[:CURVES]
    roc, recall = [], []
    for one in shown:
        for model in charts.MODELS:
            truth, score = found.truth == one, found.models[model][:, one]
            false, true, _ = roc_curve(truth, score)
            roc += charts.thin(false, true, found.labels[one], model)
            precision, recalled, _ = precision_recall_curve(truth, score)
            recall += charts.thin(recalled[::-1], precision[::-1], found.labels[one], model)
    labels = sorted((found.labels[one] for one in shown), key=format.natural)
    means = [float(np.mean([areas[one][place] for one in present])) for place in (0, 1)]
    few = f" The {CURVES} hardest classes can be chosen." if len(present) > len(shown) else ""
    hardest = f"lowest for class {found.labels[shown[0]]}, {areas[shown[0]][1]:.3f}"
    return [
        charts.figure(
            "roc", "ROC, one class against the rest", f"Mean area under the curve {means[0]:.4f}.{few}",
            charts.ranking(roc, labels, "false positives", "true positives"),
        ),
        charts.figure(
            "precision-recall", "Precision and recall", f"Mean average precision {means[1]:.4f}; {hardest}.{few}",
            charts.ranking(recall, labels, "recall", "precision"),
        ),
    ]  # fmt: skip
