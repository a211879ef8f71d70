"""Declare what the report draws of the recorded answers of a task.

A task's `figures` gives such declarations; how each is drawn is the report's (pipeline/report/parts). They hold the
numbers that are drawn, by the name of the model, "float" or "compressed", where both are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modelmill.data.metric import Records
from modelmill.data.predictions import COMPRESSED as COMPRESSED
from modelmill.data.predictions import FLOAT as FLOAT

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """The classes that one model answered: of each example the most probable ones, which are all of them if few.

    Attributes:
      classes: their numbers, int64 [examples, recorded], the most probable one first.
      probabilities: float64 [examples, recorded].
      right: the probability of the label, float64 [examples]; NaN of a label that training never saw.
    """

    classes: NDArray[np.int64]
    probabilities: Numbers
    right: Numbers

    def score(self, number: int) -> Numbers:
        """Return the probability of a class, float64 [examples]; 0 where it is not recorded, one of the least."""
        return np.asarray(np.where(self.classes == number, self.probabilities, 0).sum(axis=1))


@dataclass(frozen=True)
class Recorded:
    """The recorded predictions of two models on the test split.

    Attributes:
      records: fields [examples, ...] as the task's `record` gives them, by model.
      labels: names of the outputs.
    """

    records: Mapping[str, Records]
    labels: tuple[str, ...]

    @cached_property
    def truth(self) -> Numbers:
        """Return the labels, float64 [examples, n]."""
        label = _field(self.records[FLOAT], "label").astype(np.float64)
        return label.reshape(len(label), -1)

    @cached_property
    def answers(self) -> dict[str, Numbers]:
        """Return the field `answer`, float64 [examples, outputs], by model."""
        return {model: _field(found, "answer").astype(np.float64) for model, found in self.records.items()}

    @cached_property
    def classes(self) -> dict[str, Classes]:
        """Return the recorded classes, by model."""
        return {
            model: Classes(
                _field(found, "classes").astype(np.int64),
                _field(found, "probabilities").astype(np.float64),
                _field(found, "right").astype(np.float64),
            )
            for model, found in self.records.items()
        }


def _field(records: Records, name: str) -> NDArray[np.generic]:
    if name not in records:
        found = ", ".join(records)
        raise ValueError(f"recorded predictions: no field {name!r}, found {found}; the task's `record` must give it")
    return records[name]


@dataclass(frozen=True)
class Figure:
    """Base of all declarations."""


@dataclass(frozen=True)
class OfClasses(Figure):
    """Base of figures of examples that are each of one class.

    Attributes:
      truth: numbers of the classes int64 [examples].
      answers: the most probable classes, by model; the first is the answer.
      labels: names of the classes.
    """

    truth: NDArray[np.int64]
    answers: Mapping[str, Classes]
    labels: tuple[str, ...]

    def answer(self, model: str) -> NDArray[np.int64]:
        """Return the most probable class of each example, int64 [examples]."""
        return self.answers[model].classes[:, 0]

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
    """How often an answer of a probability is right."""


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
