"""The examples of several epochs as one dataset, each with its weight in the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelmill.components.models.training.dataset import Examples
from modelmill.data.policy import Policy

if TYPE_CHECKING:
    import tensorflow as tf


def passes(
    examples: Examples,
    policy: Policy,
    seed: int,
    epochs: range,
    steps: int,
    class_weights: list[float] | None,
    whole: bool = False,
    begun: int = 0,
) -> tf.data.Dataset:
    """Return the batches of several epochs as one dataset: its functions are traced once, not once an epoch.

    Args:
      examples: of the train split.
      policy: their augmentation.
      seed: of the order and the augmentation.
      epochs: their numbers.
      steps: of each epoch.
      class_weights: of each label in the loss; None if all count alike.
      whole: whether each batch has all its examples.
      begun: steps of the first epoch that are over.
    """
    import tensorflow as tf

    examples.open(policy)  # made here, not while the next function is traced: all passes share what it keeps in memory

    @tf.autograph.experimental.do_not_convert
    def one(epoch: tf.Tensor) -> tf.data.Dataset:
        # With a global seed of 0, shuffling would ask whether its own, here a tensor, is 0 as well.
        tf.compat.v1.get_default_graph().seed = None
        return weighted(examples.training(policy, seed, epoch, whole=whole), class_weights)

    found = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one).skip(begun)
    # Of a dataset whose length it does not know, Keras makes a last step without examples if there are replicas.
    return found.apply(tf.data.experimental.assert_cardinality(steps * len(epochs) - begun))


def weighted(batches: tf.data.Dataset, class_weights: list[float] | None) -> tf.data.Dataset:
    """Return (inputs, labels) with the weight of each example in the loss as a third, if classes count differently.

    Labels may be int64 [batch] or shares of the classes float32 [batch, classes].
    """
    import tensorflow as tf

    if class_weights is None:
        return batches

    def weigh(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        weights = tf.constant(class_weights, tf.float32)
        if labels.shape.rank == 1:
            return inputs, labels, tf.gather(weights, labels)
        return inputs, labels, tf.linalg.matvec(tf.cast(labels, tf.float32), weights)

    return batches.map(weigh)
