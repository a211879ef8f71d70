"""Which words of a text decided: integrated gradients (Sundararajan et al. 2017) along the tokens' embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.upstream import keras_internals
from modelmill.data import modality
from modelmill.data.spec import Spec

Token = dict[str, Any]
STEPS = 24
MOST = 80  # tokens of a text that are shown
TOLD = (
    "Below each text, its tokens: integrated gradients of the float model, from empty embeddings, for the answer of "
    "the compressed one. The stronger the colour, the more that token counted, for the answer or against it."
)


def attributions(model: Any, ids: NDArray[np.int32], label: int) -> NDArray[np.float32] | None:
    """How much each token of a text counts for a logit, float32 [tokens]; padding nothing.

    Args:
      model: ids int32 [batch, tokens] to logits [batch, classes]; None is given back if no layer embeds them.
      ids: of one text, [tokens]; 0 is padding.
      label: the logit's place.
    """
    import tensorflow as tf

    layer = _embedding(model)
    if layer is None:
        return None
    whole = layer(ids[np.newaxis])
    shares = (tf.range(STEPS, dtype=tf.float32) + 0.5) / STEPS
    path = shares[:, tf.newaxis, tf.newaxis] * whole
    with tf.GradientTape() as tape:
        tape.watch(path)
        with keras_internals.answering(layer, path):
            logits = model(np.repeat(ids[np.newaxis], STEPS, axis=0), training=False)[:, label]
    found = tf.reduce_sum(tf.reduce_mean(tape.gradient(logits, path), axis=0) * whole[0], axis=-1)
    return np.asarray(found.numpy() * (ids != 0), np.float32)


def told(spec: Spec, ids: NDArray[np.int32], weights: NDArray[np.float32]) -> list[Token]:
    """Return the tokens' names with their share of the largest weight, from 0 to 1; padding is left out."""
    largest = max(float(np.abs(weights).max()), 1e-12)
    names = modality.look_up(spec.modality).token_names(ids.tolist(), spec)
    return [
        {"text": name, "share": round(abs(float(weight)) / largest, 2)}
        for token, name, weight in zip(ids, names, weights, strict=True)
        if token != 0
    ][:MOST]


def _embedding(model: Any) -> Any:
    """The layer that embeds the model's input."""
    import tf_keras

    places = [layer for layer in model.layers if isinstance(layer, tf_keras.layers.Embedding)]
    return next((layer for layer in places if layer.input is model.input), None)
