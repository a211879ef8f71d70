"""The metrics of data/metrics.py as functions of all answers float32 [examples, outputs] and labels: plain, for tests.

NaN where one means nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Answers = NDArray[np.float32]
Labels = NDArray[Any]
BINS = 10


def right_class(answers: Answers, labels: Labels) -> NDArray[np.bool_]:
    """Return of each example whether the greatest probability is the label's, int [examples]."""
    return np.asarray(answers.argmax(axis=1) == labels.reshape(-1))


def accuracy(answers: Answers, labels: Labels) -> float:
    """Share of examples of which the greatest probability is the label's, int [examples]."""
    return float(np.mean(right_class(answers, labels)))


def same_class(answers: Answers, others: Answers) -> NDArray[np.bool_]:
    """Of each example whether two models find the same class the most probable."""
    return np.asarray(answers.argmax(axis=1) == others.argmax(axis=1))


def same_labels(answers: Answers, others: Answers) -> NDArray[np.bool_]:
    """Of each example whether two models give it the same labels."""
    return np.asarray(((answers > 0.5) == (others > 0.5)).all(axis=1))


def balanced_accuracy(answers: Answers, labels: Labels) -> float:
    """The mean of the classes' recalls; a class without examples does not count."""
    found, labels = answers.argmax(axis=1), labels.reshape(-1)
    return float(np.mean([np.mean(found[labels == one] == one) for one in np.unique(labels)]))


def macro_f1(answers: Answers, labels: Labels) -> float:
    """The mean of the classes' F1; a class that is neither a label nor an answer does not count."""
    found, labels = answers.argmax(axis=1), labels.reshape(-1)
    return float(np.mean([_f1(found == one, labels == one) for one in np.union1d(found, labels)]))


def f1(answers: Answers, labels: Labels) -> float:
    """F1 of class 1 of two."""
    return _f1(answers.argmax(axis=1) == 1, labels.reshape(-1) == 1)


def auc_of_second(answers: Answers, labels: Labels) -> float:
    """The area under the ROC curve of the probability of class 1 of two."""
    return auc(answers[:, 1], labels)


def calibration_error(answers: Answers, labels: Labels) -> float:
    """Expected calibration error over ten bins."""
    return calibration(answers.max(axis=1), right_class(answers, labels)).error


class Calibration(NamedTuple):
    """Bins that hold examples, in their order: {"confidence", "accuracy", "examples"} each; the error over all."""

    bins: list[dict[str, float]]
    error: float


def calibration(confidence: Floats, correct: NDArray[np.bool_]) -> Calibration:
    """Return how probable answers are and how often right, in ten equal bins, and the expected calibration error.

    After Guo et al. 2017, On Calibration of Modern Neural Networks.

    Args:
      confidence: probability of the answer, float [examples] in [0, 1].
      correct: whether it is right, [examples].
    """
    # As models give it: in another precision, a probability on the edge of two bins would change its place.
    confidence = np.asarray(confidence, np.float32)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    sure, right, off = (np.bincount(place, one, BINS) for one in (confidence, correct, confidence - correct))
    bins = [
        {
            "confidence": float(sure[one] / count[one]),
            "accuracy": float(right[one] / count[one]),
            "examples": int(count[one]),
        }
        for one in np.flatnonzero(count)
    ]
    return Calibration(bins, float(np.abs(off).sum() / len(confidence)))


def micro_f1(answers: Answers, labels: Labels) -> float:
    """F1 over all labels, float [examples, labels]."""
    return _f1(answers > 0.5, labels > 0.5)


def macro_f1_of_labels(answers: Answers, labels: Labels) -> float:
    """The mean of the labels' F1; one that is neither there nor answered does not count."""
    pairs = zip((answers > 0.5).T, (labels > 0.5).T, strict=True)
    return float(np.mean([_f1(found, truth) for found, truth in pairs if found.any() or truth.any()] or [np.nan]))


def right_labels(answers: Answers, labels: Labels) -> NDArray[np.bool_]:
    """Return of each example whether all its labels are right, float [examples, labels]."""
    return np.asarray(((answers > 0.5) == (labels > 0.5)).all(axis=1))


def subset_accuracy(answers: Answers, labels: Labels) -> float:
    """Share of examples of which all labels are right."""
    return float(np.mean(right_labels(answers, labels)))


def macro_auc(answers: Answers, labels: Labels) -> float:
    """The mean of the labels' areas; one that all examples have, or none, does not count."""
    areas = [auc(found, truth) for found, truth in zip(answers.T, labels.T, strict=True)]
    return float(np.nanmean(areas)) if not np.isnan(areas).all() else float("nan")


def auc(answers: Floats, labels: Labels) -> float:
    """The area under the ROC curve, exactly: how often a 1 scores above a 0, ties counting half."""
    from scipy import stats

    scores, positive = answers.reshape(-1), labels.reshape(-1) > 0.5
    count = int(positive.sum())
    if count in (0, len(positive)):
        return float("nan")
    above = stats.rankdata(scores)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(positive) - count)))


def partial_auc(answers: Answers, labels: Labels, share: float = 0.1) -> float:
    """The area under the ROC curve up to that share of false alarms, by the greatest that it can be there."""
    scores, positive = answers.reshape(-1), labels.reshape(-1) > 0.5
    if positive.all() or not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(scores[order])), len(scores) - 1]  # equal scores are one step
    hits = np.r_[0, np.cumsum(positive[order])[last]] / positive.sum()
    alarms = np.r_[0, np.cumsum(~positive[order])[last]] / (~positive).sum()
    inside = alarms < share
    x, y = np.r_[alarms[inside], share], np.r_[hits[inside], np.interp(share, alarms, hits)]
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / share)


def r2(answers: Answers, labels: Labels) -> float:
    """The coefficient of determination, against the mean of these very labels."""
    truth = labels.reshape(-1).astype(np.float64)
    spread = np.sum((truth - truth.mean()) ** 2)
    return float(1 - np.sum((answers.reshape(-1) - truth) ** 2) / spread) if spread else float("nan")


def rmse(answers: Answers, labels: Labels) -> float:
    """The root of the mean squared difference."""
    return float(np.sqrt(np.mean((answers.reshape(-1) - labels.reshape(-1).astype(np.float64)) ** 2)))


def mae(answers: Answers, labels: Labels) -> float:
    """The mean absolute difference."""
    return float(np.mean(np.abs(answers.reshape(-1) - labels.reshape(-1).astype(np.float64))))


def _f1(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """2 hits / (answers + labels); NaN where there is neither."""
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else float("nan")
