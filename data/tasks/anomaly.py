"""Anomaly detection: the model learns to give back normal examples; how far it is off is the score.

Labels that the setting `normal` names are normal, all others are anomalies. Training uses normal examples alone;
anomalies in the eval and the test split are what the score is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from modelmill.data import metrics
from modelmill.data.core.config import Strict
from modelmill.data.spec import LABEL, Spec, TaskFacts, TensorSpec
from modelmill.data.task import OUTPUT, Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Numbers, Recorded


class AnomalyConfig(Strict):
    """Settings of the task in an experiment: data: {task: {anomaly: {normal: [good]}}}."""

    normal: tuple[str, ...] = Field(min_length=1, description="The labels of normal examples.")


class Anomaly(Task[AnomalyConfig]):
    """Score how little an example looks like the normal ones."""

    Config = AnomalyConfig
    MOVED = {"normal": "normal"}
    ANSWER = "score"
    MEANING = "the mean squared error of reconstruction, in squared deviations: the higher, the less normal"
    MEASURE = "reconstruction"
    METRICS = (metrics.ANOMALY_AUC, metrics.ANOMALY_PARTIAL_AUC)
    REPORTED = ("auc", "partial_auc")

    def preprocess(self, label: tf.Tensor, config: AnomalyConfig) -> dict[str, tf.Tensor]:
        """Map string [batch] to int64 [batch], 1 for anomalies."""
        import tensorflow as tf

        normal = tf.reduce_any(label[:, tf.newaxis] == tf.constant(config.normal), axis=1)
        return {LABEL: 1 - tf.cast(normal, tf.int64)}

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: AnomalyConfig) -> TaskFacts:
        """Return one label, the name of the answer."""
        return TaskFacts(labels=(self.ANSWER,))

    def targets(self, facts: TaskFacts) -> tuple[TensorSpec, ...]:
        """Return 1 for anomalies, else 0."""
        return (TensorSpec(name=LABEL, shape=(), dtype="int64"),)

    def outputs(self, facts: TaskFacts, inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        """Return all numbers of all inputs, as one vector."""
        size = sum(math.prod(tensor.fixed_shape) for tensor in inputs)
        return (TensorSpec(name=OUTPUT, shape=(size,), dtype="float32"),)

    def features(self, spec: Spec) -> dict[str, Any]:
        """Read a number."""
        import tensorflow as tf

        return {LABEL: tf.io.FixedLenFeature([], tf.int64)}

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return int64 [batch], 1 for anomalies."""
        import tensorflow as tf

        return tf.reshape(features[LABEL], [-1])

    def trainable_mask(self, label: tf.Tensor) -> tf.Tensor:
        """Train on normal examples alone."""
        return label == 0

    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return float32 [batch, 1]."""
        import tensorflow as tf

        return tf.cast(tf.reshape(labels, [-1, 1]), tf.float32)

    def target(self, inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return the inputs, float32 [batch, outputs]."""
        import tensorflow as tf

        return tf.reshape(tf.cast(inputs, tf.float32), [-1, spec.output_size])

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the mean squared error."""
        import tensorflow as tf

        return tf.reduce_mean(tf.math.squared_difference(target, outputs), axis=1)

    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the share of the inputs' variance that is given back."""
        return 1 - self.loss(target, outputs)

    def epoch_score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Rank epochs by what is given back of the normal examples of the eval split."""
        return (figures["val_reconstruction"],)

    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return float32 [batch, 1]."""
        import tensorflow as tf

        off = tf.math.squared_difference(self.target(inputs, outputs, spec), outputs)
        return tf.reduce_mean(off, axis=1, keepdims=True)

    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the score float32 [examples, 1], and whether the example is an anomaly, a byte."""
        label = np.asarray(labels).reshape(answers.shape) > 0
        return {"label": label.astype(np.uint8), "answer": answers.astype(np.float32)}

    def label_text(self, label: NDArray[Any], spec: Spec) -> str:
        """Return the kind of the example."""
        return "anomaly" if label else "normal"

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare how well scores tell anomalies from normal examples."""
        from modelmill.data.figures import COMPRESSED, PrecisionRecall, Roc, Scores

        odd = recorded.truth[:, 0] > 0
        scores = {model: answers[:, 0] for model, answers in recorded.answers.items()}
        drawn: list[Figure] = []
        if odd.any() and not odd.all():
            drawn += [Roc(odd, scores, "anomaly"), PrecisionRecall(odd, scores, "anomaly", "anomalies")]
        kinds: dict[str, Numbers] = {"normal": scores[COMPRESSED][~odd], "anomaly": scores[COMPRESSED][odd]}
        return [*drawn, Scores(kinds)]

    def examples(self, recorded: Recorded) -> Examples:
        """Declare how far each score is on the wrong side of the middle one."""
        from modelmill.data.figures import COMPRESSED, FurthestOff

        odd, scores = recorded.truth[:, 0] > 0, recorded.answers[COMPRESSED][:, 0]
        middle = float(np.median(scores))
        return FurthestOff(np.where(odd, middle - scores, scores - middle))
