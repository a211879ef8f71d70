"""The metrics of data/tasks, by what their records hold: answers of classes, of several labels, numbers and scores.

Fields of a record of classes: `label`, the number of the class; `classes`, numbers of the most probable classes, the
most probable first, and their `probabilities`. Of the others: `label` and `answer`, each [examples, outputs].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data.counting import (
    ExpectedCalibration,
    PerClass,
    PerLabel,
    Share,
    f1_of_all,
    f1_of_second,
    mean_f1,
    mean_recall,
    right_class,
    right_labels,
)
from modelmill.data.metric import Metric, Records, Stats, number
from modelmill.data.ranking import Ranking, partial_area


@dataclass(frozen=True)
class Errors(Metric):
    """A metric of the differences between answers and labels, both numbers.

    `figure`: of the number of examples, the sums of squared and of absolute differences, and the sum of the labels'
    squared distances from their mean.
    """

    figure: Callable[[float, float, float, float], float] = field(kw_only=True)

    def accumulate(self, recorded: Records) -> Stats:
        """Return sums; what the labels are off their own mean, so that a mean that is large takes no digits away."""
        truth = recorded["label"].reshape(-1).astype(np.float64)
        if not len(truth):
            return {}
        off, mean = recorded["answer"].reshape(-1) - truth, truth.mean()
        sums = {"squares": np.sum(off**2), "absolute": np.sum(np.abs(off)), "spread": np.sum((truth - mean) ** 2)}
        return {"examples": number(len(truth)), "mean": number(mean), **{key: number(one) for key, one in sums.items()}}

    def merge(self, parts: Iterable[Stats]) -> Stats:
        """Return the sums of all; spreads about different means by Chan, Golub and LeVeque 1979."""
        merged: Stats = {}
        for part in parts:
            if not merged or not part:
                merged = merged or part
                continue
            examples, apart = merged["examples"] + part["examples"], part["mean"] - merged["mean"]
            weight = part["examples"] / examples
            merged = {
                "examples": examples,
                "mean": merged["mean"] + apart * weight,
                "squares": merged["squares"] + part["squares"],
                "absolute": merged["absolute"] + part["absolute"],
                "spread": merged["spread"] + part["spread"] + apart**2 * merged["examples"] * weight,
            }
        return merged

    def value(self, stats: Stats) -> float:
        """Return the figure."""
        names = ("examples", "squares", "absolute", "spread")
        return self.figure(*(float(stats[key][0]) for key in names)) if stats else float("nan")


def _r2(examples: float, squares: float, absolute: float, spread: float) -> float:
    return 1 - squares / spread if spread else float("nan")


def _rmse(examples: float, squares: float, absolute: float, spread: float) -> float:
    return float(np.sqrt(squares / examples))


def _mae(examples: float, squares: float, absolute: float, spread: float) -> float:
    return absolute / examples


def _second(recorded: Records) -> NDArray[Any]:
    """The probability of class 1; 0 where it is none of the recorded ones."""
    return np.where(recorded["classes"] == 1, recorded["probabilities"], 0).sum(axis=1)


def _answer(recorded: Records) -> NDArray[Any]:
    return recorded["answer"]


def _truth(recorded: Records) -> NDArray[Any]:
    return np.asarray(recorded["label"] > 0.5)


ACCURACY = Share(
    "accuracy", "The share of examples whose most probable class is the right one.", one_class=True, right=right_class
)
BALANCED_ACCURACY = PerClass(
    "balanced_accuracy", "The mean over classes of the share that is answered right.", figure=mean_recall
)
MACRO_F1 = PerClass(
    "macro_f1", "The mean over classes of F1, the harmonic mean of precision and recall.", figure=mean_f1
)
F1 = PerClass(
    "f1", "F1 of the second of two classes, which is the rarer one in training.", two_classes=True, figure=f1_of_second
)
AUC = Ranking("auc", "The area under the ROC curve of two classes.", two_classes=True, score=_second, positive=_truth)
CALIBRATION_ERROR = ExpectedCalibration(
    "calibration_error",
    "How far the probability of the answer is from the share that is right, on average over ten bins of it.",
    higher=False,
    threshold=None,
    one_class=True,
)
MICRO_F1 = PerLabel(
    "micro_f1", "F1 over all labels of all examples, an answer being what is above 0.5.", figure=f1_of_all
)
MACRO_F1_OF_LABELS = PerLabel(
    "macro_f1", "The mean over labels of F1, an answer being what is above 0.5.", figure=mean_f1
)
SUBSET_ACCURACY = Share(
    "subset_accuracy", "The share of examples of which every label is answered right.", right=right_labels
)
MACRO_AUC = Ranking(
    "macro_auc", "The mean over labels of the area under the ROC curve.", score=_answer, positive=_truth
)
ANOMALY_AUC = Ranking(
    "auc",
    "The area under the ROC curve: how often an anomaly scores above a normal example.",
    score=_answer,
    positive=_truth,
    probabilities=False,
)
ANOMALY_PARTIAL_AUC = Ranking(
    "partial_auc",
    "The same where at most a tenth of the normal examples is taken for anomalies, in shares of what can be had there.",
    score=_answer,
    positive=_truth,
    area=partial_area,
    probabilities=False,
)
R2 = Errors(
    "r2",
    "R², the coefficient of determination: the share of the labels' variance that the answers explain.",
    least=None,
    threshold=0.0,
    figure=_r2,
)
RMSE = Errors(
    "rmse",
    "The root of the mean squared difference from the label, in its unit.",
    higher=False,
    most=None,
    threshold=None,
    figure=_rmse,
)
MAE = Errors(
    "mae",
    "The mean absolute difference from the label, in its unit.",
    higher=False,
    most=None,
    threshold=None,
    figure=_mae,
)
