"""Where the attention of a Transformer goes: attention rollout (Abnar and Zuidema, 2020) of the float model.

Of each block the attention of its heads is averaged, half of what comes in is taken as passed on by the residual
connection, and the blocks are multiplied: what is left is how much of each token of the input arrives at the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.upstream import keras_internals

TOLD = (
    "Attention: attention rollout of the float model, all blocks together. The brighter, the more of that part of the "
    "input arrives at the answer."
)


def rollout(model: Any, inputs: Any, real: NDArray[np.bool_] | None = None) -> NDArray[np.float32] | None:
    """How much of each token arrives at the answer, float32 [examples, tokens], with the sum 1.

    Args:
      model: a Functional model; None is given back if it has no self-attention.
      inputs: normalised, [examples, ...].
      real: which tokens are no padding, bool [examples, tokens]; all if absent.
    """
    blocks = _blocks(model, inputs)
    if not blocks or any(one.shape != blocks[0].shape for one in blocks):
        return None
    arrived = np.repeat(np.eye(blocks[0].shape[-1])[np.newaxis], len(blocks[0]), axis=0)
    for block in blocks:
        mixed = (block + np.eye(block.shape[-1])) / 2
        arrived = (mixed / mixed.sum(axis=-1, keepdims=True)) @ arrived
    # A model that answers from one token (of the class, the first) sees its row only; any other sees the mean of all.
    kept = np.ones(arrived.shape[:2]) if real is None else real.astype(np.float64)
    mean = (arrived * kept[:, :, np.newaxis]).sum(axis=1)
    seen = (arrived[:, 0] if _from_first(model) else mean) * kept
    return np.asarray(seen / seen.sum(axis=-1, keepdims=True), np.float32)


def _blocks(model: Any, inputs: Any) -> list[NDArray[np.float64]]:
    """Of each layer of self-attention what its heads do on average, [examples, tokens, tokens]."""
    import tf_keras

    scores = []
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.MultiHeadAttention):
            node = keras_internals.first_call(layer)
            given = {**node.call_kwargs, "return_attention_scores": True}
            scores.append(layer(*node.call_args, **given)[1])
        elif hasattr(layer, "weights_of"):  # components/models/layers/attention.py
            given = tf_keras.Model(model.input, layer.input)(inputs, training=False)
            scores.append(layer.weights_of(given))
    square = [one for one in scores if one.shape[-1] == one.shape[-2]]
    graph = [one for one in square if tf_keras.backend.is_keras_tensor(one)]
    if graph:
        found = tf_keras.Model(model.input, graph)(inputs, training=False)
        square = found if len(graph) > 1 else [found]
    return [np.asarray(one, np.float64).mean(axis=1) for one in square]


def grid(weights: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8] | None:
    """A picture uint8 [rows, columns, 1] of one example's tokens, if they are patches of an image of that size.

    A token of the class, which is no patch, stands before them and is left out.
    """
    for patches in (weights, weights[1:]):
        rows = round((len(patches) * height / width) ** 0.5)
        if rows and len(patches) % rows == 0 and rows * width == len(patches) // rows * height:
            shares = patches.reshape(rows, -1, 1)
            return np.asarray(255 * shares / max(float(shares.max()), 1e-12), np.uint8)
    return None


def _from_first(model: Any) -> bool:
    """Whether the head stands behind a layer that takes the first token."""
    return any("first" in layer.name or type(layer).__name__ == "FirstToken" for layer in model.layers)
