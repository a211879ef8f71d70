"""Builds a model again without some of its channels: smaller, dense, and with the weights that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.compress.rewrites import functional
from modelmill.components.compress.rewrites.channel_groups import DEPTHWISE, NORMS, RECURRENT, WIDTHS, Channels

if TYPE_CHECKING:
    import tf_keras

Mask = np.ndarray[Any, Any]


def remove(model: tf_keras.Model, channels: Channels, keep: dict[int, Mask]) -> tf_keras.Model:
    """A smaller copy.

    Args:
      model: Functional; it stays as it is.
      channels: of this model.
      keep: for spaces that lose channels, which are kept: bool [channels].
    """
    weights: dict[str, list[np.ndarray[Any, Any]]] = {}

    def shrunk(layer: tf_keras.layers.Layer) -> list[functional.Call]:
        kind, name = type(layer).__name__, layer.name
        weights[name] = layer.get_weights()
        if name not in channels.writes:  # a barrier
            return [functional.like(layer)]
        after = channels.kept(channels.writes[name], keep)
        before = channels.kept(channels.reads[name][0], keep) if channels.reads[name] else after
        if weights[name]:
            weights[name] = _sliced(layer, kind, before, after)
        if kind in WIDTHS:
            return [functional.like(layer, **{WIDTHS[kind]: int(after.sum())})]
        if kind == "Reshape":
            return [functional.like(layer, target_shape=(*layer.target_shape[:-1], int(after.sum())))]
        return [functional.like(layer)]

    small = functional.rebuild(model, shrunk)
    for layer in small.layers:
        if weights.get(layer.name):
            layer.set_weights(weights[layer.name])
    return small


def _sliced(layer: tf_keras.layers.Layer, kind: str, before: Mask, after: Mask) -> list[np.ndarray[Any, Any]]:
    """The weights of a layer without those of removed channels, in the layer's own order."""
    values = layer.get_weights()
    if kind in NORMS:
        return [value[before] for value in values]
    if kind in DEPTHWISE:  # [..., channels, 1], then the bias
        return [values[0][..., before, :], *(value[before] for value in values[1:])]
    if kind.startswith("Separable"):  # depthwise, pointwise, bias
        return [values[0][..., before, :], values[1][..., before, :][..., after], *(one[after] for one in values[2:])]
    if kind.endswith("Transpose"):  # [..., made, read]
        return [values[0][..., after, :][..., before], *(value[after] for value in values[1:])]
    if kind == "Embedding":
        return [value[:, after] for value in values]
    if kind in RECURRENT:  # [read, gates x made], [made, gates x made], bias [(2,) gates x made]
        gates = np.tile(after, RECURRENT[kind])
        return [values[0][before][:, gates], values[1][after][:, gates], *(value[..., gates] for value in values[2:])]
    # A kernel [..., read, made], then the bias.
    return [values[0][..., before, :][..., after], *(value[after] for value in values[1:])]
