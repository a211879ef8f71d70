"""Draw the figures of examples that are each of one class."""

from __future__ import annotations

import numpy as np

from modelmill.components.intervals import wilson
from modelmill.data import counting, ranking
from modelmill.data.core import format
from modelmill.data.figures import OfClasses
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts

SLICES = 40
CONFUSED = 40  # classes in the matrix
CURVES = 20  # classes with curves of their own


def slices(run: Recorded, found: OfClasses) -> list[charts.Figure]:
    """Draw the accuracy of each class, with intervals."""
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
    return [{**figure, "table": {"columns": ["slice", "examples", *charts.MODELS], "rows": table}, "wide": True}]


def confusion(run: Recorded, found: OfClasses) -> list[charts.Figure]:
    """Draw the confusion matrix."""
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
    return [charts.figure("confusion", "Confusion matrix", says, charts.confusion(rows, labels), height)]


def calibration(run: Recorded, found: OfClasses) -> list[charts.Figure]:
    """Draw how often an answer of a probability is right."""
    rows, errors = [], {}
    for model in charts.MODELS:
        made = counting.calibration(found.answers[model].probabilities[:, 0], found.correct(model))
        rows += [{**row, "model": model} for row in made.bins]
        errors[model] = made.error
    word = "can be taken at its word" if errors["compressed"] < 0.05 else "is not to be taken at its word"
    says = (
        f"The compressed model {word}: its probabilities are off by {errors['compressed']:.3f} on average "
        f"(expected calibration error; float {errors['float']:.3f}). Above the dashed line it is too modest, "
        "below it too sure."
    )
    return [charts.figure("calibration", "Calibration", says, charts.calibration(rows))]


def curves(run: Recorded, found: OfClasses) -> list[charts.Figure]:
    """Draw ROC and precision-recall of each class against the rest."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    present = [one for one in range(len(found.labels)) if 0 < int((found.truth == one).sum()) < len(found.truth)]
    if not present:
        return []
    areas = {
        one: (
            ranking.auc(found.answers["compressed"].score(one), found.truth == one),
            float(average_precision_score(found.truth == one, found.answers["compressed"].score(one))),
        )
        for one in present
    }
    shown = sorted(present, key=lambda one: areas[one][1])[:CURVES]
    roc, recall = [], []
    for one in shown:
        for model in charts.MODELS:
            truth, score = found.truth == one, found.answers[model].score(one)
            false, true, _ = roc_curve(truth, score)
            roc += charts.thin(false, true, found.labels[one], model)
            precision, recalled, _ = precision_recall_curve(truth, score)
            recall += charts.thin(recalled[::-1], precision[::-1], found.labels[one], model)
    labels = sorted((found.labels[one] for one in shown), key=format.natural)
    means = [float(np.mean([areas[one][place] for one in present])) for place in (0, 1)]
    few = f" The {CURVES} hardest classes can be chosen." if len(present) > len(shown) else ""
    recorded = found.answers["compressed"].classes.shape[1]
    if recorded < len(found.labels):
        few += f" Of each example the {recorded} most probable classes are recorded; the others count as 0 here."
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
