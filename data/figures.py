"""Declare what the report draws of the recorded answers of a task.

A task's `figures` gives such declarations; how each is drawn is the report's (pipeline/report/parts). They hold the
numbers that are drawn, by the name of the model, "float" or "compressed", where both are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOAT, COMPRESSED = "float", "compressed"
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """The recorded answers of two models on the test split.

    Attributes:
      truth: labels float64 [examples, n], as the task's `label` gives them.
      answers: float64 [examples, outputs], by model.
      labels: names of the outputs.
    """

    truth: Numbers
    answers: Mapping[str, Numbers]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """Base of all declarations."""


@dataclass(frozen=True)
class OfClasses(Figure):
    """Base of figures of examples that are each of one class.

    Attributes:
      truth: numbers of the classes int64 [examples].
      scores: a score for each class, float64 [examples, classes], by model; the highest is the answer.
      labels: names of the classes.
    """

    truth: NDArray[np.int64]
    scores: Mapping[str, Numbers]
    labels: tuple[str, ...]

    def answer(self, model: str) -> NDArray[np.int64]:
        """Return the class of the highest score of each example, int64 [examples]."""
        return np.asarray(self.scores[model].argmax(axis=1), np.int64)

    def correct(self, model: str) -> NDArray[np.bool_]:
        """Return whether the answer is right, bool [examples]."""
        return np.asarray(self.answer(model) == self.truth)


@dataclass(frozen=True)
class ClassAccuracy(OfClasses):
    """The accuracy on each class, with intervals."""


@dataclass(frozen=True)
class Confusion(OfClasses):
    """The confusion matrix."""


@dataclass(frozen=True)
class Calibration(OfClasses):
    """How often an answer of a probability is right; scores are probabilities."""


@dataclass(frozen=True)
class ClassCurves(OfClasses):
    """ROC and precision-recall curves of each class against the rest."""


@dataclass(frozen=True)
class Scatter(Figure):
    """Answers that are numbers against the truth.

    Attributes:
      truth: float64 [examples, n].
      answers: float64 [examples, n], by model.
    """

    truth: Numbers
    answers: Mapping[str, Numbers]


@dataclass(frozen=True)
class Errors(Figure):
    """A histogram of differences between answers and truths, and to which side they lean.

    Attributes:
      differences: answer minus truth, float64 [examples, n], by model.
    """

    differences: Mapping[str, Numbers]


@dataclass(frozen=True)
class Roc(Figure):
    """The ROC curve of one score; it needs examples of both kinds.

    Attributes:
      positive: which examples should score high, bool [examples].
      scores: float64 [examples], by model.
      name: what the positive examples are.
    """

    positive: NDArray[np.bool_]
    scores: Mapping[str, Numbers]
    name: str


@dataclass(frozen=True)
class PrecisionRecall(Roc):
    """The precision-recall curve of one score.

    Attributes:
      plural: what several positive examples are.
    """

    plural: str


@dataclass(frozen=True)
class Scores(Figure):
    """Histograms of one model's scores, one for each kind of examples.

    Attributes:
      scores: float64 [examples], by the name of the kind.
    """

    scores: Mapping[str, Numbers]


@dataclass(frozen=True)
class LabelPrecision(Figure):
    """The average precision of each label, where an example has any number of them.

    Attributes:
      truth: 1 where an example has the label, float64 [examples, labels].
      scores: of the compressed model, float64 [examples, labels].
      labels: their names.
    """

    truth: Numbers
    scores: Numbers
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Mistakes(OfClasses):
    """A list of examples: the surest of the compressed model's wrong classes, else its least sure answers."""


@dataclass(frozen=True)
class FurthestOff:
    """A list of examples: those on which the compressed model is furthest off.

    Attributes:
      distance: how far off it is, float64 [examples].
    """

    distance: Numbers


Examples = Mistakes | FurthestOff
