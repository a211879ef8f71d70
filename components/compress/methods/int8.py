"""Post-training full integer quantization: int8 weights and activations, calibrated on train examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from components.compress import method

if TYPE_CHECKING:
    import tf_keras

    from components.compress.context import Context

FOLLOWS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
UNDOES: dict[str, str] = {}
EXPORTS = True


class Config(method.MethodConfig):
    """How the ranges of activations are found."""

    method: Literal["int8"] = "int8"
    calibration: int = Field(200, ge=1, description="Train examples, not augmented, that give the ranges.")


def export(model: tf_keras.Model, config: Config, context: Context) -> bytes:
    """Converts to int8 kernels throughout; the input stays uint8, the output float32."""
    import tensorflow as tf

    def representative() -> Iterator[list[tf.Tensor]]:
        for example in context.calibration(config.calibration):
            yield [example]

    converter = context.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    return bytes(converter.convert())
