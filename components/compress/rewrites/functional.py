"""Walks a Functional model node by node, and builds another one along the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelmill.components.upstream import keras_internals

if TYPE_CHECKING:
    import tf_keras

# A layer, or what is called like one and calls layers.
Call = Callable[..., Any]
Replace = Callable[["tf_keras.layers.Layer"], list[Call]]


def calls(model: tf_keras.Model) -> dict[str, int]:
    """How often each layer is called: a shared one more than once."""
    counts: dict[str, int] = {}
    for node in keras_internals.nodes(model):
        counts[node.layer.name] = counts.get(node.layer.name, 0) + 1
    return counts


def rebuild(model: tf_keras.Model, replace: Replace) -> tf_keras.Model:
    """A new model of the same shape of graph, without the weights.

    Args:
      model: Functional.
      replace: gives for each layer the new ones, called one behind the other; a shared layer is asked for once.
    """
    import tensorflow as tf
    import tf_keras

    uses = keras_internals.uses(model)
    made: dict[str, list[Call]] = {}
    tensors: dict[str, list[Any]] = {}
    inputs = [tf_keras.Input(batch_shape=one.shape, dtype=one.dtype, name=one.node.layer.name) for one in model.inputs]
    for old, new in zip(model.inputs, inputs, strict=True):
        tensors[str(id(old))] = [new] * (uses[str(id(old))] + 1)
    for node in keras_internals.nodes(model):
        if node.layer.name not in made:
            made[node.layer.name] = replace(node.layer)
        first, *others = made[node.layer.name]
        args, kwargs = node.map_arguments(tensors)
        result = first(*args, **kwargs)
        for layer in others:
            result = layer(result)
        for name, value in zip(node.flat_output_ids, tf.nest.flatten(result), strict=True):
            tensors[name] = [value] * (uses[name] + 1)
    outputs = [tensors[str(id(one))].pop() for one in model.outputs]
    nested_inputs, nested_outputs = keras_internals.structure(model)
    return tf_keras.Model(
        tf.nest.pack_sequence_as(nested_inputs, inputs),
        tf.nest.pack_sequence_as(nested_outputs, outputs),
        name=model.name,
    )


def like(layer: tf_keras.layers.Layer, **changes: Any) -> tf_keras.layers.Layer:
    """A new layer of the same settings but for `changes`."""
    return layer.__class__.from_config({**layer.get_config(), **changes})
