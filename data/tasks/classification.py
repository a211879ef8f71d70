"""Classification: each example is of one class; the answer is a probability for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelmill.data import metrics
from modelmill.data.spec import LABEL, Spec
from modelmill.data.task import Metric

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.config import DataConfig

ANSWER = "probabilities"
MEANING = "probabilities, in the order of the labels"
CLASSES = True
MEASURE = "accuracy"
METRICS = (
    Metric(
        "accuracy",
        "The share of examples whose most probable class is the right one.",
        metrics.accuracy,
        one_class=True,
        right=metrics.right_class,
    ),
    Metric(
        "balanced_accuracy", "The mean over classes of the share that is answered right.", metrics.balanced_accuracy
    ),
    Metric("macro_f1", "The mean over classes of F1, the harmonic mean of precision and recall.", metrics.macro_f1),
    Metric("f1", "F1 of the second of two classes, which is the rarer one in training.", metrics.f1, two_classes=True),
    Metric("auc", "The area under the ROC curve of two classes.", metrics.auc_of_second, two_classes=True),
    Metric(
        "calibration_error",
        "How far the probability of the answer is from the share that is right, on average over ten bins of it.",
        metrics.calibration_error,
        higher=False,
        threshold=None,
        one_class=True,
    ),
)
REPORTED = ("accuracy", "calibration_error")
SAME = metrics.same_class


def raw(text: str) -> str:
    """The class by its name."""
    return text


def preprocess(label: tf.Tensor, config: DataConfig) -> dict[str, tf.Tensor]:
    """string [batch] to int64 [batch], the place in the vocabulary `labels`: frequent classes first."""
    import tensorflow_transform as tft

    return {LABEL: tft.compute_and_apply_vocabulary(label, vocab_filename="labels")}


def spec(output: tft.TFTransformOutput, example: bytes, config: DataConfig) -> dict[str, Any]:
    """The classes, in the vocabulary's order."""
    return {"labels": tuple(label.decode() for label in output.vocabulary_by_name("labels"))}


def features(spec: Spec) -> dict[str, Any]:
    """A number."""
    import tensorflow as tf

    return {LABEL: tf.io.FixedLenFeature([], tf.int64)}


def label(features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """int64 [batch], the numbers of the classes."""
    import tensorflow as tf

    return tf.reshape(features[LABEL], [-1])


def learned(label: tf.Tensor) -> None:
    """All are."""


def shares(labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """One-hot."""
    import tensorflow as tf

    return tf.one_hot(labels, len(spec.labels))


def target(inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """The labels themselves."""
    return labels


def outputs(spec: Spec) -> int:
    """A logit for each class."""
    return len(spec.labels)


def loss(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of labels [batch] or [batch, 1], or of shares [batch, classes], and logits [batch, classes]."""
    import tf_keras

    if _are_shares(target, outputs):
        return tf_keras.losses.categorical_crossentropy(target, outputs, from_logits=True)
    return tf_keras.losses.sparse_categorical_crossentropy(target, outputs, from_logits=True)


def measure(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """1 where the answer is the class, or the one of the largest share."""
    import tf_keras

    if _are_shares(target, outputs):
        return tf_keras.metrics.categorical_accuracy(target, outputs)
    return tf_keras.metrics.sparse_categorical_accuracy(target, outputs)


def better(figures: Mapping[str, float]) -> tuple[float, ...]:
    """By accuracy; the loss decides between equal ones."""
    return figures["val_accuracy"], -figures["val_loss"]


def answer(outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Softmax."""
    import tf_keras

    return tf_keras.layers.Softmax(name=ANSWER, dtype="float32")(outputs)


def served(answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
    """The probabilities, and the name of the most probable class."""
    import tensorflow as tf

    return {ANSWER: answers, "label": tf.gather(tf.constant(spec.labels), tf.argmax(answers, axis=1))}


def _are_shares(target: tf.Tensor, outputs: tf.Tensor) -> bool:
    return target.shape.rank == 2 and target.shape[1] == outputs.shape[1] > 1
