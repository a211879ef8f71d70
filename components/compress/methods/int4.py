"""Post-training int4 quantization of the weights, float32 activations, by litert-quantizer: an eighth of the bytes.

Depthwise convolutions get int8: there is no kernel of theirs for four bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelmill.components.compress.method import Method
from modelmill.components.compress.ptq import selective
from modelmill.components.compress.ptq.quantizer import FallbackConfig
from modelmill.components.models.training.fine_tuning import MethodConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class Int4Config(MethodConfig):
    """Which layers rather get eight bits."""

    method: Literal["int4"] = "int4"
    calibration: int = Field(200, ge=1, description="Train examples, not augmented, by which harm is measured.")
    fallback: FallbackConfig | None = Field(
        FallbackConfig(), description="Gives int8 weights to the layers that int4 harms most; null for none."
    )


class Int4(Method[Int4Config]):
    """Post-training int4 quantization of the weights, float32 activations: an eighth of the bytes."""

    Config = Int4Config
    EXPORTS = True
    QUANTIZES = "int4_weights"

    def export(self, model: tf_keras.Model, config: Int4Config, context: Context) -> bytes:
        """Rounds the weights of each output channel, and of each row of a table of embeddings, to sixteen values."""
        examples = context.varied(config.calibration, config.method)
        return selective.export(
            model, context, config.method, config.fallback, examples, "int4_weights", "int8_weights"
        )
