"""Post-training float16 quantization: weights of half the bytes, nearly the same answers; needs no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import MethodConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class Float16Config(MethodConfig):
    """It has no settings."""

    method: Literal["float16"] = "float16"


class Float16(Method[Float16Config]):
    """Post-training float16 quantization: weights of half the bytes, nearly the same answers; needs no data."""

    Config = Float16Config
    EXPORTS = True

    def export(self, model: tf_keras.Model, config: Float16Config, context: Context) -> bytes:
        """Converts with weights rounded to float16; a device without float16 kernels widens them when it loads them."""
        import tensorflow as tf

        converter = context.converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())
