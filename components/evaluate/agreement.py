"""How often the compressed model answers as the float one does, by the recorded predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components import intervals
from modelmill.components.evaluate import predictions
from modelmill.components.evaluate.tfma_results import OVERALL

# Answers of two models float32 [examples, outputs] to bool [examples]: whether they come to the same.
Same = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.bool_]]


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
    import tensorflow as tf

    answers: tuple[list[Any], list[Any]] = [], []
    members: dict[str, list[int]] = {OVERALL: []}
    files = tf.io.gfile.glob(predictions.pattern(recorded))
    for place, one in enumerate(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()):
        example = tf.train.Example.FromString(one).features.feature
        for model, found in zip((predictions.FLOAT, predictions.COMPRESSED), answers, strict=True):
            found.append(np.array(example[model].float_list.value, np.float32))
        members[OVERALL].append(place)
        for feature in features:
            for value in _values(example, predictions.recorded_as(feature)):
                members.setdefault(f"{feature}={value}", []).append(place)
    if not members[OVERALL]:
        return {}
    alike = same(np.stack(answers[0]), np.stack(answers[1]))
    return {name: Agreement(int(alike[places].sum()), len(places)) for name, places in members.items()}


def _values(example: Any, name: str) -> list[Any]:
    """What slices are called by."""
    if name not in example:
        return []
    kind = example[name].WhichOneof("kind")
    values = getattr(example[name], kind).value if kind else ()
    return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
