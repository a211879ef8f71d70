"""Loss and metric for both kinds of labels: numbers of classes, and shares of classes where examples are mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """float32 [batch], of labels [batch] or [batch, 1], or of shares [batch, classes]; logits [batch, classes]."""
    import tf_keras

    if _are_shares(labels, logits):
        return tf_keras.losses.categorical_crossentropy(labels, logits, from_logits=True)
    return tf_keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """float32 [batch]: 1 where the answer is the class, or the one of the largest share."""
    import tf_keras

    if _are_shares(labels, logits):
        return tf_keras.metrics.categorical_accuracy(labels, logits)
    return tf_keras.metrics.sparse_categorical_accuracy(labels, logits)


def _are_shares(labels: tf.Tensor, logits: tf.Tensor) -> bool:
    return labels.shape.rank == 2 and labels.shape[1] == logits.shape[1] > 1
