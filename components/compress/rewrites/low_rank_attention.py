"""The projections of Keras' MultiHeadAttention, and the same attention between thinner ones.

Its queries, keys and values may come from features of different widths: so a projection of low rank is a dense layer
before the attention, and a thinner one inside it; behind the heads it is the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

QUERY, KEY, VALUE, OUTPUT = "query", "key", "value", "attention_output"
Matrix = np.ndarray[Any, Any]


def matrices(layer: tf_keras.layers.MultiHeadAttention) -> dict[str, Matrix]:
    """Of each projection its kernel as a matrix [inputs, outputs], the heads and their features taken as one side."""
    found = {}
    for (part, kind), value in _values(layer).items():
        if kind == "kernel":
            sides = (-1, value.shape[-1]) if part == OUTPUT else (value.shape[0], -1)
            found[part] = value.reshape(sides)
    return found


class Thin:
    """Is called as the attention, whose name, heads and other weights it has.

    Args:
      layer: the attention.
      factors: of the projections that are taken apart, the two factors [inputs, rank] and [rank, outputs].
    """

    def __init__(self, layer: tf_keras.layers.MultiHeadAttention, factors: dict[str, tuple[Matrix, Matrix]]) -> None:
        from tf_keras import layers

        settings = layer.get_config()
        for place in (QUERY, KEY, VALUE):
            settings.pop(f"{place}_shape")  # of what it was given
        if OUTPUT in factors:
            settings["output_shape"] = (factors[OUTPUT][0].shape[1],)
        self._layer, self._factors = layer, factors
        self.attention = layers.MultiHeadAttention(**settings)
        self.before = {
            part: layers.Dense(first.shape[1], use_bias=False, name=f"{layer.name}_{part}_low")
            for part, (first, _) in factors.items()
            if part != OUTPUT
        }
        self.after = None
        if OUTPUT in factors:
            width = factors[OUTPUT][1].shape[1]
            self.after = layers.Dense(width, use_bias=settings["use_bias"], name=f"{layer.name}_output")

    def __call__(self, query: tf.Tensor, value: tf.Tensor, key: tf.Tensor | None = None, **rest: Any) -> Any:
        key = value if key is None else key
        given = {QUERY: query, KEY: key, VALUE: value}
        given |= {part: low(given[part]) for part, low in self.before.items()}
        result = self.attention(given[QUERY], given[VALUE], key=given[KEY], **rest)
        if self.after is None:
            return result
        return (self.after(result[0]), *result[1:]) if isinstance(result, tuple) else self.after(result)

    def set_weights(self) -> None:
        """Gives what was built the factors, and of all else what the attention had."""
        values = _values(self._layer)
        for part, low in self.before.items():
            first, second = self._factors[part]
            low.set_weights([first])
            values[part, "kernel"] = second.reshape(-1, *values[part, "kernel"].shape[1:])
        if self.after is not None:
            first, second = self._factors[OUTPUT]
            bias = values.get((OUTPUT, "bias"))
            self.after.set_weights([second, *([] if bias is None else [bias])])
            values[OUTPUT, "kernel"] = first.reshape(*values[OUTPUT, "kernel"].shape[:-1], -1)
            values[OUTPUT, "bias"] = np.zeros(first.shape[1], np.float32)
        for weight in self.attention.weights:
            weight.assign(values[_part(weight)])


def _values(layer: tf_keras.layers.MultiHeadAttention) -> dict[tuple[str, str], Matrix]:
    """(projection, kernel or bias) -> value."""
    return {_part(weight): weight.numpy() for weight in layer.weights}


def _part(weight: tf.Variable) -> tuple[str, str]:
    """Of a name such as vit/multi_head_attention/query/kernel:0."""
    *_, part, kind = weight.name.split(":")[0].split("/")
    return part, kind
