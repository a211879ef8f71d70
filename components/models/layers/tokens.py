"""What a Transformer that sees images adds to its tokens: a token for the class, and learned positions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("modelmill")
class ClassToken(tf_keras.layers.Layer):
    """Puts one learned token before all others: [batch, tokens, width] to [batch, 1 + tokens, width]."""

    def build(self, shape: Any) -> None:
        """Makes the token."""
        normal = tf_keras.initializers.TruncatedNormal(stddev=0.02)
        self.token = self.add_weight("token", (1, 1, shape[-1]), initializer=normal)
        super().build(shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """See the class."""
        token = tf.cast(self.token, tokens.dtype)
        return tf.concat([tf.tile(token, [tf.shape(tokens)[0], 1, 1]), tokens], axis=1)


@tf_keras.utils.register_keras_serializable("modelmill")
class LearnedPositions(tf_keras.layers.Layer):
    """Adds to each of a fixed number of tokens [batch, tokens, width] what was learned of its place."""

    def build(self, shape: Any) -> None:
        """Makes a row for each place."""
        normal = tf_keras.initializers.TruncatedNormal(stddev=0.02)
        self.positions = self.add_weight("positions", (1, *shape[1:]), initializer=normal)
        super().build(shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return tokens + tf.cast(self.positions, tokens.dtype)


@tf_keras.utils.register_keras_serializable("modelmill")
class FirstToken(tf_keras.layers.Layer):
    """[batch, tokens, width] to the first of them, [batch, width]."""

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return tokens[:, 0]
