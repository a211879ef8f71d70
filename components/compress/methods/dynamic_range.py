"""Post-training dynamic range quantization: int8 weights, float32 activations; needs no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import MethodConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class DynamicRangeConfig(MethodConfig):
    """It has no settings."""

    method: Literal["dynamic_range"] = "dynamic_range"


class DynamicRange(Method[DynamicRangeConfig]):
    """Post-training dynamic range quantization: int8 weights, float32 activations; needs no data."""

    Config = DynamicRangeConfig
    EXPORTS = True
    QUANTIZES = "int8_weights"

    def export(self, model: tf_keras.Model, config: DynamicRangeConfig, context: Context) -> bytes:
        """Converts with weights rounded to int8, per channel where the kernel has channels."""
        import tensorflow as tf

        converter = context.converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())
