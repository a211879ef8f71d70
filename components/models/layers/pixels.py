"""Gives a trained network the pixels that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("modelmill")
class Pixels(tf_keras.layers.Layer):
    """Picks channels, then multiplies and adds: [batch, height, width, channels] to [..., len(order)]."""

    def __init__(self, order: Sequence[int], scale: Sequence[float], offset: Sequence[float], **more: Any) -> None:
        """Args: order: the input's channel of each of the output's; scale and offset: of each of the output's."""
        super().__init__(**more)
        self._order, self._scale, self._offset = list(order), list(scale), list(offset)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """See the class."""
        if self._order != list(range(images.shape[-1])):
            images = tf.gather(images, self._order, axis=-1)
        return images * tf.constant(self._scale, images.dtype) + tf.constant(self._offset, images.dtype)

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return {**super().get_config(), "order": self._order, "scale": self._scale, "offset": self._offset}
