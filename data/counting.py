"""Metrics that count examples: shares of them, what each class or label comes to, and how calibrated answers are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modelmill.data.metric import Metric, Records, Stats, number, ratio

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
BINS = 10


def right_class(recorded: Records) -> Bools:
    """Return of each example whether its most probable class is its label."""
    return np.asarray(recorded["classes"][:, 0] == recorded["label"])


def same_class(first: Records, second: Records) -> Bools:
    """Return of each example whether two models find the same class the most probable."""
    return np.asarray(first["classes"][:, 0] == second["classes"][:, 0])


def right_labels(recorded: Records) -> Bools:
    """Return of each example whether all its labels are right."""
    return np.asarray(((recorded["answer"] > 0.5) == (recorded["label"] > 0.5)).all(axis=1))


def same_labels(first: Records, second: Records) -> Bools:
    """Return of each example whether two models give it the same labels."""
    return np.asarray(((first["answer"] > 0.5) == (second["answer"] > 0.5)).all(axis=1))


class Calibration(NamedTuple):
    """Bins that hold examples, in their order: {"confidence", "accuracy", "examples"} each; the error over all."""

    bins: list[dict[str, float]]
    error: float


def calibration(confidence: Floats, correct: Bools) -> Calibration:
    """Return how probable answers are and how often right, in ten equal bins, and the expected calibration error.

    After Guo et al. 2017, On Calibration of Modern Neural Networks.

    Args:
      confidence: probability of the answer, float [examples] in [0, 1].
      correct: whether it is right, [examples].
    """
    sums = _calibration_sums(confidence, correct)
    count, sure, right = sums["examples"], sums["confidence"], sums["right"]
    bins = [
        {
            "confidence": float(sure[one] / count[one]),
            "accuracy": float(right[one] / count[one]),
            "examples": int(count[one]),
        }
        for one in np.flatnonzero(count)
    ]
    return Calibration(bins, float(np.abs(sums["off"]).sum() / len(confidence)))


def _calibration_sums(confidence: Floats, correct: Bools) -> Stats:
    """Sums by bin of confidence: examples, their confidence, how many are right, and the difference of the two."""
    # As models give it: in another precision, a probability on the edge of two bins would change its place.
    confidence = np.asarray(confidence, np.float32)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    values = {"confidence": confidence, "right": correct, "off": confidence - correct}
    sums = {key: np.bincount(place, value, BINS).astype(np.float64) for key, value in values.items()}
    return {"examples": np.bincount(place, minlength=BINS).astype(np.float64), **sums}


@dataclass(frozen=True)
class Share(Metric):
    """The share of examples that are right."""

    SHARE: ClassVar[bool] = True
    right: Callable[[Records], Bools] = field(kw_only=True)

    def accumulate(self, recorded: Records) -> Stats:
        """Return how many are right, and of how many."""
        right = self.right(recorded)
        return {"right": number(right.sum()), "examples": number(len(right))}

    def accumulate_pair(self, first: Records, second: Records) -> Stats:
        """Return on how many examples one of the two is right alone, and of how many."""
        one, other = self.right(first), self.right(second)
        alone = {"only_first": number((one & ~other).sum()), "only_second": number((other & ~one).sum())}
        return {**alone, "examples": number(len(one))}

    def value(self, stats: Stats) -> float:
        """Return the share."""
        return ratio(stats["right"], stats["examples"]) if stats else float("nan")


def differing(stats: Stats) -> float:
    """Return the share of examples on which one of two models is right alone, by `accumulate_pair`."""
    return ratio(stats["only_first"] + stats["only_second"], stats["examples"]) if stats else float("nan")


@dataclass(frozen=True)
class PerClass(Metric):
    """A metric of what each class that is a label or an answer comes to: hits, labels and answers.

    `figure`: of the classes' numbers [classes], and of hits, labels and answers, float64 [3, classes].
    """

    figure: Callable[[NDArray[np.float64], NDArray[np.float64]], float] = field(kw_only=True)

    def accumulate(self, recorded: Records) -> Stats:
        """Return counts of the classes that occur: a slice of few examples takes little memory, whatever there is."""
        truth, answer = recorded["label"].astype(np.float64), recorded["classes"][:, 0].astype(np.float64)
        counted = [np.stack([truth == answer, np.ones(len(truth)), np.zeros(len(truth))]).astype(np.float64)]
        counted.append(np.stack([np.zeros(len(truth)), np.zeros(len(truth)), np.ones(len(truth))]))
        return _by_class(np.concatenate([truth, answer]), np.concatenate(counted, axis=1))

    def merge(self, parts: Iterable[Stats]) -> Stats:
        """Return the counts of all classes of any part."""
        given = [part for part in parts if part]
        if len(given) < 2:
            return given[0] if given else {}
        classes = np.concatenate([part["classes"] for part in given])
        return _by_class(classes, np.concatenate([part["counts"] for part in given], axis=1))

    def value(self, stats: Stats) -> float:
        """Return the figure."""
        if not stats or not len(stats["classes"]):
            return float("nan")
        return self.figure(stats["classes"], stats["counts"])


def _by_class(classes: NDArray[np.float64], counts: NDArray[np.float64]) -> Stats:
    distinct, places = np.unique(classes, return_inverse=True)
    return {"classes": distinct, "counts": np.stack([np.bincount(places, row, len(distinct)) for row in counts])}


def mean_recall(classes: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return the mean of the recalls of the classes that have examples."""
    hits, labels, _ = counts[:, counts[1] > 0]
    return float(np.mean(hits / labels))


def mean_f1(classes: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return the mean of F1, 2 hits / (labels + answers)."""
    hits, labels, answers = counts[:, counts[1] + counts[2] > 0]
    return float(np.mean(2 * hits / (labels + answers))) if len(hits) else float("nan")


def f1_of_second(classes: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return F1 of class 1 of two."""
    return mean_f1(classes[classes == 1], counts[:, classes == 1])


def f1_of_all(classes: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return F1 of the counts of all labels together."""
    return mean_f1(classes[:1], counts.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class PerLabel(PerClass):
    """The same where an example has any number of labels."""

    def accumulate(self, recorded: Records) -> Stats:
        """Return counts of all labels: up to 32,768 of them are 1 MiB."""
        answer, truth = recorded["answer"] > 0.5, recorded["label"] > 0.5
        counts = np.stack([(answer & truth).sum(axis=0), truth.sum(axis=0), answer.sum(axis=0)])
        return {"classes": np.arange(answer.shape[1], dtype=np.float64), "counts": counts.astype(np.float64)}


@dataclass(frozen=True)
class ExpectedCalibration(Metric):
    """How far confidence is from the share that is right, on average over ten bins of it."""

    def accumulate(self, recorded: Records) -> Stats:
        """Return sums by bin."""
        sums = _calibration_sums(recorded["probabilities"][:, 0], right_class(recorded))
        return {"examples": sums["examples"], "off": sums["off"]}

    def value(self, stats: Stats) -> float:
        """Return the expected calibration error."""
        return ratio(number(np.abs(stats["off"]).sum()), number(stats["examples"].sum())) if stats else float("nan")
