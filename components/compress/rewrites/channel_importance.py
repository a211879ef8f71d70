"""How much each channel of a space matters to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.compress.rewrites.channel_groups import RECURRENT, WIDTHS, Space

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

Scores = np.ndarray[Any, Any]


def l1(space: Space) -> Scores:
    """Sum of the absolute weights that make a channel (Li et al., 2017); each layer counts relative to its mean.

    Returns: float [channels].
    """
    total = np.zeros(space.size)
    for layer in space.makers:
        total += _relative(_per_channel(layer, [np.abs(value) for value in _kernels(layer)]))
    return total


def batch_norm(space: Space) -> Scores | None:
    """Absolute scale of the normalisations behind (Liu et al., 2017); None where there is none.

    Returns: float [channels].
    """
    scales = [layer.gamma.numpy() for layer in space.norms if getattr(layer, "gamma", None) is not None]
    return np.sum([_relative(np.abs(scale)) for scale in scales], axis=0) if scales else None


def taylor(
    model: tf_keras.Model, batches: tf.data.Dataset, loss: Callable[[tf_keras.Model, Any, Any], tf.Tensor]
) -> Callable[[Space], Scores]:
    """By how much the loss would change without a channel, to first order (Molchanov et al., 2019).

    For each batch, (the sum of weight x gradient over the weights that make the channel) squared; summed over batches.

    Args:
      model: whose channels are ranked.
      batches: of (inputs, targets).
      loss: of (model, inputs, targets), float32 [batch].
    """
    import tensorflow as tf

    makers = [layer for layer in model.layers if type(layer).__name__ in WIDTHS]
    variables = [variable for layer in makers for variable in layer.trainable_variables if variable.shape.rank > 1]
    totals: dict[str, Scores] = {}

    @tf.function
    def gradients(inputs: Any, targets: Any) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(loss(model, inputs, targets))
        found = tape.gradient(value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(one) for one in found]

    for inputs, targets in batches:
        found = dict(zip([variable.name for variable in variables], gradients(inputs, targets), strict=True))
        for layer in makers:
            values = [variable for variable in layer.trainable_variables if variable.name in found]
            products = [value.numpy() * found[value.name].numpy() for value in values]
            if products:
                score = _per_channel(layer, products) ** 2
                totals[layer.name] = totals.get(layer.name, np.zeros_like(score)) + score

    return lambda space: np.sum([totals[layer.name] for layer in space.makers], axis=0)


def _kernels(layer: tf_keras.layers.Layer) -> list[np.ndarray[Any, Any]]:
    return [value.numpy() for value in layer.trainable_variables if value.shape.rank > 1] or [
        value.numpy() for value in layer.weights if value.shape.rank > 1
    ]


def _per_channel(layer: tf_keras.layers.Layer, values: list[np.ndarray[Any, Any]]) -> Scores:
    """Values of the shapes of a layer's kernels, summed up per channel that it makes."""
    kind = type(layer).__name__
    if kind.startswith("Separable"):
        values = values[1:]  # the depthwise kernel makes no channel
    if kind.endswith("Transpose"):
        values = [np.swapaxes(value, -1, -2) for value in values]
    sums = [value.reshape(-1, value.shape[-1]).sum(axis=0) for value in values]
    if kind in RECURRENT:
        sums = [one.reshape(RECURRENT[kind], -1).sum(axis=0) for one in sums if one.ndim == 1]
    return np.sum(sums, axis=0)


def _relative(scores: Scores) -> Scores:
    mean = float(scores.mean())
    return scores / mean if mean > 0 else scores
