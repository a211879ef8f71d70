"""How often the compressed model answers as the float one does, by the recorded predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from modelmill.components import intervals
from modelmill.components.evaluate.tfma_results import OVERALL
from modelmill.data import predictions
from modelmill.data.metric import Records
from modelmill.data.predictions import Prediction

# Records of two models to bool [examples]: whether they come to the same.
Same = Callable[[Records, Records], NDArray[np.bool_]]
BATCH = 1024


@dataclass(frozen=True)
class Agreement:
    """Of so many examples, on how many both models answer the same."""

    same: int
    examples: int

    @property
    def share(self) -> float:
        """Of the examples."""
        return self.same / self.examples

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return Wilson's interval of the share."""
        return intervals.wilson(self.same, self.examples, confidence)


def read(recorded: str, features: Sequence[str], same: Same) -> dict[str, Agreement]:
    """Over all examples and per slice, by the slice's name.

    Args:
      recorded: the folder of the Predictions.
      features: by whose values there are slices.
      same: of the task.
    """
    counts: dict[str, list[int]] = {}
    found = predictions.read(recorded)
    while batch := list(islice(found, BATCH)):
        exact, compressed = ([getattr(one, model) for one in batch] for model in ("exact", "compressed"))
        alike = same(predictions.deserialize(exact), predictions.deserialize(compressed))
        for prediction, equal in zip(batch, alike.tolist(), strict=True):
            for name in _members(prediction, features):
                count = counts.setdefault(name, [0, 0])
                count[0] += equal
                count[1] += 1
    return {name: Agreement(*count) for name, count in counts.items()}


def _members(prediction: Prediction, features: Sequence[str]) -> list[str]:
    """The slices that an example is in, by their names."""
    values = {name: prediction.slices.get(name, ()) for name in features}
    return [OVERALL, *(f"{name}={_shown(one)}" for name, found in values.items() for one in found)]


def _shown(value: predictions.Value) -> predictions.Value:
    """As tfma_results has it: bytes that are no UTF-8 are replaced."""
    return value.encode(errors="surrogateescape").decode(errors="replace") if isinstance(value, str) else value
