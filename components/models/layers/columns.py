"""Rows of tables as features: categories become vectors that are learned."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("modelmill")
class Embedded(tf_keras.layers.Layer):
    """float32 [batch, inputs] to float32 [batch, features]: numbers as they are, then a vector for each category.

    Guo and Berkhahn, Entity Embeddings of Categorical Variables, 2016.
    """

    def __init__(self, counts: list[int], width: int, **options: Any) -> None:
        """Args: counts: of each input the number of categories, 0 for a number; width: of each category's vector."""
        super().__init__(**options)
        self._counts, self._width = list(counts), width

    def build(self, shape: Any) -> None:
        """A table for each column of categories."""
        self._tables = [
            self.add_weight(f"table_{place}", (count, self._width), initializer="uniform")
            for place, count in enumerate(self._counts)
            if count
        ]
        super().build(shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """See the class. What was quantized on its way is rounded back to a category."""
        numbers = [place for place, count in enumerate(self._counts) if not count]
        parts = [inputs[:, place : place + 1] for place in numbers]
        # The whole row at once, before anything is sliced from it: what follows is integers, which int8 leaves alone.
        indices = tf.cast(tf.round(tf.cast(inputs, tf.float32)), tf.int32)
        # Not tf.clip_by_value, the minimum first: between 0 and 6 the TFLite converter makes it one Relu6, which has no
        # kernel for integers. In this order it fuses nothing.
        indices = tf.minimum(tf.maximum(indices, 0), [max(count - 1, 0) for count in self._counts])
        places = [place for place, count in enumerate(self._counts) if count]
        parts += [tf.gather(table, indices[:, place]) for place, table in zip(places, self._tables, strict=True)]
        return tf.concat([tf.cast(part, self.compute_dtype) for part in parts], axis=1)

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return {**super().get_config(), "counts": self._counts, "width": self._width}
