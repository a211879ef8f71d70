"""TensorFlow: the TFLite converter's error, and a setting of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelmill.components.upstream import guard

if TYPE_CHECKING:
    import tensorflow as tf

TENSORFLOW = guard.Library("tensorflow", "==2.21.*")


def converter_error() -> type[Exception]:
    """Return what the TFLite converter raises, which tf.lite does not export; its `errors` name the operators."""
    guard.require(TENSORFLOW, "tensorflow.lite.python.convert_phase.ConverterError")
    from tensorflow.lite.python.convert_phase import ConverterError

    found: type[Exception] = ConverterError
    return found


def operators(error: Exception) -> list[str]:
    """Return the operators that a converter's error names; empty if its records name none."""
    found: list[Any] = getattr(error, "errors", [])
    return [one.operator.name for one in found if one.operator.name]


def per_tensor_dense(converter: tf.lite.TFLiteConverter, wanted: bool) -> None:
    """Set one scale for all weights of a dense layer, or one for each output: the converter has no public setting."""
    guard.require(TENSORFLOW, "TFLiteConverter._experimental_disable_per_channel_quantization_for_dense_layers")
    converter._experimental_disable_per_channel_quantization_for_dense_layers = wanted
