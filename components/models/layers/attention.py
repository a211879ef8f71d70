"""Attention among the tokens of a text, and what belongs to it: masks, positions, means over real tokens.

Free of weights: queries, keys and values come from plain Dense layers before, which TF-MOT can prune,
cluster and quantize; of tf_keras' MultiHeadAttention it knows nothing, nor does that turn queries by their place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

# Added to the scores of padding. exp(-30) is nothing beside any real token, and int8 can still tell the others apart:
# a larger number would be the whole range of it.
HIDDEN = -30.0


@tf_keras.utils.register_keras_serializable("modelmill")
class PaddingMask(tf_keras.layers.Layer):
    """Ids int32 [batch, tokens] to float [batch, tokens]: 1 for a token, 0 for padding (id 0)."""

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return tf.cast(tf.not_equal(ids, 0), self.compute_dtype)


@tf_keras.utils.register_keras_serializable("modelmill")
class Segments(tf_keras.layers.Layer):
    """Ids int32 [batch, tokens] to int32 of the same shape: 1 for what follows the first [SEP], padding apart."""

    def __init__(self, separator: int, **rest: Any) -> None:
        """Args: separator: the id of [SEP]."""
        super().__init__(**rest)
        self.separator = separator

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """See the class."""
        behind = tf.cumsum(tf.cast(tf.equal(ids, self.separator), tf.int32), axis=1, exclusive=True)
        return tf.minimum(behind, 1) * tf.cast(tf.not_equal(ids, 0), tf.int32)

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {**super().get_config(), "separator": self.separator}


@tf_keras.utils.register_keras_serializable("modelmill")
class SinusoidalPositions(tf_keras.layers.Layer):
    """Adds sines and cosines of each token's place to [batch, tokens, width] (Vaswani et al., 2017)."""

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """See the class."""
        angles = _angles(tokens.shape[1], tokens.shape[2])
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(tokens.shape[1], -1)
        return tokens + tf.constant(waves[np.newaxis, :, : tokens.shape[2]], tokens.dtype)


@tf_keras.utils.register_keras_serializable("modelmill")
class Attention(tf_keras.layers.Layer):
    """Scaled dot-product attention of several heads that see no padding (Vaswani et al., 2017).

    Takes queries, keys and values [batch, tokens, width] and a mask [batch, tokens]; gives [batch, tokens, width].
    """

    def __init__(self, heads: int, rotary: bool = False, dropout: float = 0.0, **rest: Any) -> None:
        """Makes the layer.

        Args:
          heads: they share the width.
          rotary: turn queries and keys by the place of their token (Su et al., 2021: RoFormer).
          dropout: share of the attention's weights dropped while training.
        """
        super().__init__(**rest)
        self.heads, self.rotary, self.dropout = heads, rotary, dropout
        self._drop = tf_keras.layers.Dropout(dropout)

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """See the class."""
        count, width = inputs[0].shape[1:]
        weights = self._drop(self.weights_of(inputs), training=training)
        found = tf.transpose(tf.matmul(weights, self._split(inputs[2])), [0, 2, 1, 3])
        return tf.reshape(found, [-1, count, width])

    def weights_of(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """How much each token takes of each other, [batch, heads, tokens, tokens]; also for reports."""
        queries, keys, mask = self._split(inputs[0]), self._split(inputs[1]), inputs[3]
        if self.rotary:
            queries, keys = _turned(queries), _turned(keys)
        scores = tf.matmul(queries * (inputs[0].shape[2] // self.heads) ** -0.5, keys, transpose_b=True)
        scores += (1 - mask[:, tf.newaxis, tf.newaxis]) * HIDDEN
        return tf.nn.softmax(scores)

    def _split(self, tokens: tf.Tensor) -> tf.Tensor:
        """[batch, tokens, width] to [batch, heads, tokens, width / heads]."""
        count, width = tokens.shape[1:]
        return tf.transpose(tf.reshape(tokens, [-1, count, self.heads, width // self.heads]), [0, 2, 1, 3])

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {**super().get_config(), "heads": self.heads, "rotary": self.rotary, "dropout": self.dropout}


@tf_keras.utils.register_keras_serializable("modelmill")
class MaskedMean(tf_keras.layers.Layer):
    """Tokens [batch, tokens, width] and their mask [batch, tokens] to the mean of the real ones [batch, width]."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """See the class."""
        tokens, mask = inputs
        count = tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1)
        return tf.reduce_sum(tokens * mask[:, :, tf.newaxis], axis=1) / count


@tf_keras.utils.register_keras_serializable("modelmill")
class Masked(tf_keras.layers.Layer):
    """Tokens [batch, tokens, width] and their mask [batch, tokens] to the same tokens, padding 0."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """See the class."""
        tokens, mask = inputs
        return tokens * mask[:, :, tf.newaxis]


@tf_keras.utils.register_keras_serializable("modelmill")
class MaskedMax(tf_keras.layers.Layer):
    """Tokens [batch, tokens, width] and their mask [batch, tokens] to the largest of the real ones [batch, width].

    At least 0, as behind ReLU (Kim, 2014): so padding needs no number beyond the others' range, which int8 would share.
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """See the class."""
        tokens, mask = inputs
        return tf.reduce_max(tf.nn.relu(tokens) * mask[:, :, tf.newaxis], axis=1)


def _angles(count: int, width: int) -> np.ndarray[Any, Any]:
    """Of each place and pair of features, [count, (width + 1) // 2]."""
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    return np.arange(count)[:, np.newaxis] * rates


def _turned(heads: tf.Tensor) -> tf.Tensor:
    """[batch, heads, tokens, size]: pairs of features, the first half with the second, turned by the place."""
    angles = _angles(heads.shape[2], heads.shape[3])
    cosine, sine = tf.constant(np.cos(angles), heads.dtype), tf.constant(np.sin(angles), heads.dtype)
    one, two = tf.split(heads, 2, axis=-1)
    return tf.concat([one * cosine - two * sine, two * cosine + one * sine], axis=-1)
