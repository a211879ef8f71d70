"""Regression: the label is a number, and so is the answer.

The model learns it in deviations from its mean over the train split; the served answer has the label's own unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from modelmill.data import metrics
from modelmill.data.core.config import Strict
from modelmill.data.spec import LABEL, Spec, TaskFacts, TensorSpec, narrow
from modelmill.data.task import OUTPUT, Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Recorded

MEAN, STDDEV = "label_mean", "label_stddev"


class RegressionFacts(TaskFacts):
    """Statistics of the labels of the train split."""

    label_mean: float = 0
    label_stddev: float = Field(1, gt=0)


class Regression(Task[Strict]):
    """Predict a number."""

    Facts = RegressionFacts
    ANSWER = "prediction"
    MEANING = "the number, in the unit of the labels"
    MEASURE = "r2"
    NUMBERS = True
    METRICS = (metrics.R2, metrics.RMSE, metrics.MAE)
    REPORTED = ("r2", "rmse", "mae")

    def raw(self, text: str) -> float:
        """Return the number. Raises ValueError if it is none, or not finite."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"the label {text!r} is no finite number, as data.task: regression needs")
        return number

    def preprocess(self, label: tf.Tensor, config: Strict) -> dict[str, tf.Tensor]:
        """Keep float32 [batch] as it is, with mean and deviation over the train split beside it."""
        import tensorflow as tf
        import tensorflow_transform as tft

        # In float64: what depends on the order in which Beam adds them up is rounded off.
        precise = tf.cast(label, tf.float64)
        mean, variance = tf.cast(tft.mean(precise), tf.float32), tf.cast(tft.var(precise), tf.float32)
        stddev = tf.where(variance > 0, tf.sqrt(variance), 1.0)
        return {LABEL: label, MEAN: tf.ones_like(label) * mean, STDDEV: tf.ones_like(label) * stddev}

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: Strict) -> RegressionFacts:
        """Return one label, the name of the answer, and the statistics that stand in each example."""
        import tensorflow as tf

        number = tf.io.FixedLenFeature([], tf.float32)
        found = tf.io.parse_single_example(example, {MEAN: number, STDDEV: number})
        return RegressionFacts(labels=(self.ANSWER,), **{name: float(value) for name, value in found.items()})

    def outputs(self, facts: TaskFacts, inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        """Return one number."""
        return (TensorSpec(name=OUTPUT, shape=(1,), dtype="float32"),)

    def features(self, spec: Spec) -> dict[str, Any]:
        """Read a number."""
        import tensorflow as tf

        return {LABEL: tf.io.FixedLenFeature([], tf.float32)}

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return float32 [batch], in its own unit."""
        import tensorflow as tf

        return tf.reshape(features[LABEL], [-1])

    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return float32 [batch, 1]."""
        import tensorflow as tf

        return tf.reshape(labels, [-1, 1])

    def target(self, inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return deviations from the mean, float32 [batch, 1]."""
        facts = narrow(spec.task_facts, RegressionFacts)
        return (self.soft_targets(labels, spec) - facts.label_mean) / facts.label_stddev

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the squared error, in squared deviations."""
        import tensorflow as tf

        return tf.reduce_mean(tf.math.squared_difference(target, outputs), axis=1)

    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute what has as its mean R² against the train split's mean and variance."""
        return 1 - self.loss(target, outputs)

    def epoch_score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Rank epochs by R²: the loss has the penalties in it."""
        return (figures["val_r2"],)

    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Scale back to the label's unit."""
        import tf_keras

        facts = narrow(spec.task_facts, RegressionFacts)
        scaling = tf_keras.layers.Rescaling(facts.label_stddev, facts.label_mean, name=self.ANSWER, dtype="float32")
        return scaling(outputs)

    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the number and its label, both float32 [examples, 1]."""
        label = np.asarray(labels).reshape(answers.shape)
        return {"label": label.astype(np.float32), "answer": answers.astype(np.float32)}

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare answers against truths, and their differences."""
        from modelmill.data.figures import Errors, Scatter

        off = {model: answers - recorded.truth for model, answers in recorded.answers.items()}
        return [Scatter(recorded.truth, recorded.answers), Errors(off)]

    def examples(self, recorded: Recorded) -> Examples:
        """Declare by how much each answer is off."""
        from modelmill.data.figures import COMPRESSED, FurthestOff

        return FurthestOff(abs(recorded.answers[COMPRESSED] - recorded.truth).max(axis=1))
