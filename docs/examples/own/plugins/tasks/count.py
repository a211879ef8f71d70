"""Counts: the label is how many there are of something; the answer is how many are expected (Poisson regression)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from modelmill.data import metrics
from modelmill.data.core.config import Strict
from modelmill.data.spec import LABEL, Spec, TaskFacts
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Recorded


class CountConfig(Strict):
    """What stands behind the name in an experiment: data: {task: {count: {most: 100}}}."""

    most: int = Field(1000, ge=1, description="A larger count is taken for this one.")


class Count(Task[CountConfig]):
    """Predict how many there are."""

    Config = CountConfig
    ANSWER = "expected"
    MEANING = "the expected count"
    MEASURE = "absolute_error"
    METRICS = (metrics.MAE, metrics.RMSE)
    REPORTED = ("mae", "rmse")

    def raw(self, text: str) -> float:
        """Return the count. Raises ValueError if it is none."""
        if not text.strip().isdecimal():
            raise ValueError(f"the label {text!r} is no count: it must be 0, 1, 2, ...")
        return float(text)

    def preprocess(self, label: tf.Tensor, config: CountConfig) -> dict[str, tf.Tensor]:
        """Map float32 [batch] to itself, limited."""
        import tensorflow as tf

        return {LABEL: tf.minimum(label, float(config.most))}

    def describe(self, output: Any, example: bytes, config: CountConfig) -> TaskFacts:
        """Return the name of the one output."""
        return TaskFacts(labels=("expected",))

    def features(self, spec: Spec) -> dict[str, Any]:
        """Read a number."""
        import tensorflow as tf

        return {LABEL: tf.io.FixedLenFeature([], tf.float32)}

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return float32 [batch]."""
        import tensorflow as tf

        return tf.reshape(features[LABEL], [-1])

    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return float32 [batch, 1]."""
        import tensorflow as tf

        return tf.reshape(labels, [-1, 1])

    def target(self, inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return float32 [batch, 1]."""
        return self.soft_targets(labels, spec)

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the Poisson loss; the outputs are logarithms of expected counts."""
        import tensorflow as tf

        return tf.reduce_mean(tf.nn.log_poisson_loss(target, outputs), axis=1)

    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the absolute difference."""
        import tensorflow as tf

        return tf.reduce_mean(tf.abs(tf.exp(outputs) - target), axis=1)

    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return the expected count."""
        import tf_keras

        return tf_keras.layers.Activation("exponential", name=self.ANSWER, dtype="float32")(outputs)

    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return what is written of each example, and read by metrics and by the report."""
        return {"label": np.reshape(labels, answers.shape).astype(np.float32), "answer": answers}

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare expected counts against counts."""
        from modelmill.data.figures import Scatter

        return [Scatter(recorded.truth, recorded.answers)]

    def examples(self, recorded: Recorded) -> Examples:
        """Declare which examples the report shows: those furthest off."""
        from modelmill.data.figures import COMPRESSED, FurthestOff

        return FurthestOff(abs(recorded.answers[COMPRESSED] - recorded.truth).max(axis=1))
