"""Post-training full integer quantization: int8 weights and activations, calibrated on train examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from modelmill.components.compress.method import Method
from modelmill.components.compress.ptq import selective
from modelmill.components.compress.ptq.quantizer import FallbackConfig
from modelmill.components.models.export import saved_model
from modelmill.components.models.training.fine_tuning import MethodConfig
from modelmill.components.upstream import tensorflow_internals

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

    from modelmill.components.compress.context import Context


class Int8Config(MethodConfig):
    """How the ranges of activations are found, and what the flatbuffer takes and gives."""

    method: Literal["int8"] = "int8"
    calibration: int = Field(200, ge=1, description="Train examples, not augmented, that give the ranges.")
    io: Literal["float", "integer"] = Field(
        "float",
        description="integer: no float operator at all; pixels go in as they are, answers come out in 1/256.",
    )
    dense: Literal["per_channel", "per_tensor"] = Field(
        "per_channel",
        description="per_tensor: one scale for all weights of a dense layer: clusters stay few values, files smaller.",
    )
    fallback: FallbackConfig | None = Field(
        None, description="Leaves the layers float32 that int8 harms most: {tolerance: 0.1}."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.fallback and self.io == "integer":
            raise ValueError("fallback leaves layers float32, io: integer wants none; give one of the two")
        if self.fallback and self.dense == "per_tensor":
            raise ValueError("fallback is by litert-quantizer, which has no dense: per_tensor; give one of the two")
        return self


class Int8(Method[Int8Config]):
    """Post-training full integer quantization: int8 weights and activations, calibrated on train examples."""

    Config = Int8Config
    EXPORTS = True
    QUANTIZES = "int8"

    def export(self, model: tf_keras.Model, config: Int8Config, context: Context) -> bytes:
        """Converts to int8 kernels throughout.

        Raises:
          ValueError: io is integer and examples are no bytes, or the calibration examples are all the same.
        """
        examples = context.varied(config.calibration, config.method)
        # TFLite's own quantizer takes examples of one signature.
        if config.fallback or context.several_signatures:
            return selective.export(model, context, config.method, config.fallback, examples, "int8")
        make = _integer if config.io == "integer" else _float
        return make(model, config, examples, context)


def _float(model: tf_keras.Model, config: Int8Config, examples: list[np.ndarray], context: Context) -> bytes:
    """The input stays as it is, the output float32."""
    converter = _optimizing(context.converter(model, unrolled=True), config)
    converter.representative_dataset = lambda: ([one] for one in examples)
    return bytes(converter.convert())


def _integer(model: tf_keras.Model, config: Int8Config, examples: list[np.ndarray], context: Context) -> bytes:
    """uint8 goes in and comes out; normalisation is computed in integers, too."""
    import tensorflow as tf

    spec = context.stored.spec
    if spec.input.dtype != "uint8":
        raise ValueError(f"int8.io: integer is for examples of bytes, such as images; found {spec.input.dtype}")

    def representative() -> Iterator[list[np.ndarray]]:
        for one in examples:
            whole = one.astype(np.float32)
            # With both ends of the range in it, a step of the input is exactly 1: bytes go in unchanged.
            whole.reshape(-1)[:2] = (0, 255)
            yield [whole]

    served = saved_model.served(model, spec.with_input(dtype="float32"), batch=1)
    converter = _optimizing(tf.lite.TFLiteConverter.from_keras_model(served), config)
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


def _optimizing(converter: tf.lite.TFLiteConverter, config: Int8Config) -> tf.lite.TFLiteConverter:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    tensorflow_internals.per_tensor_dense(converter, config.dense == "per_tensor")
    return converter
