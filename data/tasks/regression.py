"""Regression: the label is a number, and so is the answer.

The model learns it in deviations from its mean over the train split; the served answer has the label's own unit.
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

ANSWER = "prediction"
MEANING = "the number, in the unit of the labels"
CLASSES = False
MEASURE = "r2"
MEAN, STDDEV = "label_mean", "label_stddev"
METRICS = (
    Metric(
        "r2",
        "R², the coefficient of determination: the share of the labels' variance that the answers explain.",
        metrics.r2,
        least=None,
        threshold=0.0,
    ),
    Metric(
        "rmse",
        "The root of the mean squared difference from the label, in its unit.",
        metrics.rmse,
        higher=False,
        most=None,
        threshold=None,
    ),
    Metric(
        "mae",
        "The mean absolute difference from the label, in its unit.",
        metrics.mae,
        higher=False,
        most=None,
        threshold=None,
    ),
)
REPORTED = ("r2", "rmse", "mae")


def raw(text: str) -> float:
    """The number. Raises ValueError if it is none, or not finite."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"the label {text!r} is no finite number, as data.task: regression needs")
    return number


def preprocess(label: tf.Tensor, config: DataConfig) -> dict[str, tf.Tensor]:
    """float32 [batch] to itself, with mean and deviation over the train split beside it."""
    import tensorflow as tf
    import tensorflow_transform as tft

    # In float64: what depends on the order in which Beam adds them up is rounded off.
    precise = tf.cast(label, tf.float64)
    mean, variance = tf.cast(tft.mean(precise), tf.float32), tf.cast(tft.var(precise), tf.float32)
    stddev = tf.where(variance > 0, tf.sqrt(variance), 1.0)
    return {LABEL: label, MEAN: tf.ones_like(label) * mean, STDDEV: tf.ones_like(label) * stddev}


def spec(output: tft.TFTransformOutput, example: bytes, config: DataConfig) -> dict[str, Any]:
    """One answer, called as what it tells; and the statistics that stand in each example."""
    import tensorflow as tf

    number = tf.io.FixedLenFeature([], tf.float32)
    found = tf.io.parse_single_example(example, {MEAN: number, STDDEV: number})
    return {"labels": (ANSWER,), **{name: float(value) for name, value in found.items()}}


def features(spec: Spec) -> dict[str, Any]:
    """A number."""
    import tensorflow as tf

    return {LABEL: tf.io.FixedLenFeature([], tf.float32)}


def label(features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """float32 [batch], in its own unit."""
    import tensorflow as tf

    return tf.reshape(features[LABEL], [-1])


def learned(label: tf.Tensor) -> None:
    """All are."""


def shares(labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """float32 [batch, 1]."""
    import tensorflow as tf

    return tf.reshape(labels, [-1, 1])


def target(inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """In deviations from the mean, float32 [batch, 1]."""
    return (shares(labels, spec) - spec.label_mean) / spec.label_stddev


def outputs(spec: Spec) -> int:
    """One number."""
    return 1


def loss(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The squared error, in squared deviations."""
    import tensorflow as tf

    return tf.reduce_mean(tf.math.squared_difference(target, outputs), axis=1)


def measure(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Its mean is R² against the train split's mean and variance."""
    return 1 - loss(target, outputs)


def better(figures: Mapping[str, float]) -> tuple[float, ...]:
    """By R²: the loss has the penalties in it."""
    return (figures["val_r2"],)


def answer(outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Back to the label's unit."""
    import tf_keras

    return tf_keras.layers.Rescaling(spec.label_stddev, spec.label_mean, name=ANSWER, dtype="float32")(outputs)


def served(answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
    """The number, float32 [batch, 1]."""
    return {ANSWER: answers}
