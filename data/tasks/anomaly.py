"""Anomaly detection: the model learns to give back normal examples; how far it is off is the score.

Labels that `data.normal` names are normal, all others are anomalies. Training uses normal examples alone; anomalies in
the eval and the test split are what the score is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelmill.data import metrics
from modelmill.data.spec import LABEL, Spec
from modelmill.data.task import Metric

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.config import DataConfig

ANSWER = "score"
MEANING = "the mean squared error of reconstruction, in squared deviations: the higher, the less normal"
CLASSES = False
MEASURE = "reconstruction"
METRICS = (
    Metric("auc", "The area under the ROC curve: how often an anomaly scores above a normal example.", metrics.auc),
    Metric("partial_auc", "The same where at most a tenth of the normal examples is taken for anomalies, in shares "
           "of what can be had there.", metrics.partial_auc),
)  # fmt: skip
REPORTED = ("auc", "partial_auc")


def raw(text: str) -> str:
    """The class by its name."""
    return text


def preprocess(label: tf.Tensor, config: DataConfig) -> dict[str, tf.Tensor]:
    """string [batch] to int64 [batch], 1 for anomalies."""
    import tensorflow as tf

    normal = tf.reduce_any(label[:, tf.newaxis] == tf.constant(config.normal), axis=1)
    return {LABEL: 1 - tf.cast(normal, tf.int64)}


def spec(output: tft.TFTransformOutput, example: bytes, config: DataConfig) -> dict[str, Any]:
    """One answer, the score."""
    return {"labels": (ANSWER,)}


def features(spec: Spec) -> dict[str, Any]:
    """A number."""
    import tensorflow as tf

    return {LABEL: tf.io.FixedLenFeature([], tf.int64)}


def label(features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """int64 [batch], 1 for anomalies."""
    import tensorflow as tf

    return tf.reshape(features[LABEL], [-1])


def learned(label: tf.Tensor) -> tf.Tensor:
    """Normal ones."""
    return label == 0


def shares(labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """float32 [batch, 1]."""
    import tensorflow as tf

    return tf.cast(tf.reshape(labels, [-1, 1]), tf.float32)


def target(inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """The inputs, float32 [batch, outputs]."""
    import tensorflow as tf

    return tf.reshape(tf.cast(inputs, tf.float32), [-1, outputs(spec)])


def outputs(spec: Spec) -> int:
    """As many as there are inputs."""
    return math.prod(spec.shape)


def loss(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The mean squared error."""
    import tensorflow as tf

    return tf.reduce_mean(tf.math.squared_difference(target, outputs), axis=1)


def measure(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The share of the inputs' variance that is given back."""
    return 1 - loss(target, outputs)


def better(figures: Mapping[str, float]) -> tuple[float, ...]:
    """By what is given back of the normal examples of the eval split."""
    return (figures["val_reconstruction"],)


def answer(outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """float32 [batch, 1]."""
    import tensorflow as tf

    off = tf.math.squared_difference(target(inputs, outputs, spec), outputs)
    return tf.reduce_mean(off, axis=1, keepdims=True)


def served(answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
    """The score, float32 [batch, 1]."""
    return {ANSWER: answers}
