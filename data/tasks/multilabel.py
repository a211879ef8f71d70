"""Multi-label classification: an example has any number of labels; the answer is a probability for each.

The labels of an example are written as one text, `red|round`; `|` alone says that it has none.
"""

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

BETWEEN = "|"
ANSWER = "probabilities"
MEANING = "probabilities, each by itself, in the order of the labels"
CLASSES = False
MEASURE = "binary_accuracy"
METRICS = (
    Metric("micro_f1", "F1 over all labels of all examples, an answer being what is above 0.5.", metrics.micro_f1),
    Metric("macro_f1", "The mean over labels of F1, an answer being what is above 0.5.", metrics.macro_f1_of_labels),
    Metric(
        "subset_accuracy",
        "The share of examples of which every label is answered right.",
        metrics.subset_accuracy,
        right=metrics.right_labels,
    ),
    Metric("macro_auc", "The mean over labels of the area under the ROC curve.", metrics.macro_auc),
)
REPORTED = ("micro_f1", "macro_f1", "subset_accuracy")
SAME = metrics.same_labels


def raw(text: str) -> str:
    """The labels in one order, each once. Raises ValueError if one of them is empty."""
    names = [name.strip() for name in text.split(BETWEEN)]
    if text.strip() == BETWEEN:
        return BETWEEN
    if not all(names):
        raise ValueError(f"the labels {text!r} hold an empty one; write them as a{BETWEEN}b, and {BETWEEN} for none")
    return BETWEEN.join(sorted(set(names)))


def preprocess(label: tf.Tensor, config: DataConfig) -> dict[str, tf.Tensor]:
    """string [batch] to sparse int64 [batch, any], the places in the vocabulary `labels`."""
    import tensorflow as tf
    import tensorflow_transform as tft

    names = tf.strings.split(label, BETWEEN)
    names = tf.ragged.boolean_mask(names, names != "").to_sparse()
    return {LABEL: tft.compute_and_apply_vocabulary(names, vocab_filename="labels")}


def spec(output: tft.TFTransformOutput, example: bytes, config: DataConfig) -> dict[str, Any]:
    """The labels, in the vocabulary's order."""
    return {"labels": tuple(label.decode() for label in output.vocabulary_by_name("labels"))}


def features(spec: Spec) -> dict[str, Any]:
    """Any number of numbers."""
    import tensorflow as tf

    return {LABEL: tf.io.VarLenFeature(tf.int64)}


def label(features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """float32 [batch, labels], 1 for those that an example has; a label that training never saw is none."""
    import tensorflow as tf

    # Numbers of unseen labels are -1, for which one_hot is all zeros; so they fill what is not there.
    places = tf.sparse.to_dense(features[LABEL], default_value=-1)
    return tf.reduce_sum(tf.one_hot(places, len(spec.labels)), axis=1)


def learned(label: tf.Tensor) -> None:
    """All are."""


def shares(labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """They are already."""
    return labels


def target(inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
    """The labels themselves."""
    return labels


def outputs(spec: Spec) -> int:
    """A logit for each label."""
    return len(spec.labels)


def loss(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy, the mean over labels."""
    import tf_keras

    return tf_keras.losses.binary_crossentropy(target, outputs, from_logits=True)


def measure(target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The share of labels that are answered right."""
    import tf_keras

    return tf_keras.metrics.binary_accuracy(target, outputs, threshold=0.0)


def better(figures: Mapping[str, float]) -> tuple[float, ...]:
    """By the loss: where labels are rare, saying never is right most of the time."""
    return (-figures["val_loss"],)


def answer(outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Sigmoid."""
    import tf_keras

    return tf_keras.layers.Activation("sigmoid", name=ANSWER, dtype="float32")(outputs)


def served(answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
    """The probabilities."""
    return {ANSWER: answers}
