"""What the methods of quantization-aware training share: annotate, apply a scheme of TF-MOT, fine-tune, convert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.training.fine_tuning import TunedConfig
from modelmill.components.upstream import keras_internals, tfmot_internals

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


# The upper rungs of the ladder: quantization-aware training of the whole model, or of the layers that TF-MOT knows.
WHOLE, ANNOTATED = "quantization-aware", "annotated"


class AwareConfig(TunedConfig):
    """How long it is fine-tuned with quantization simulated."""

    epochs: int = Field(5, ge=1, description="Of fine-tuning.")
    learning_rate: float = Field(3e-4, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")


def tune(model: tf_keras.Model, config: AwareConfig, context: Context, scheme: Any) -> tf_keras.Model:
    """Simulates int8 in every layer that TF-MOT's 8-bit scheme knows.

    TF-MOT itself refuses the whole model for one layer that it does not know. Here such a layer goes to the next rung
    of the ladder: its weights are rounded after training, by the converter, or, where that can't, stay float32. The
    report says of each kernel on which rung it is, and why. A front-end stays float32, since eight bits would not do.

    Args: scheme: TF-MOT's; it says what quantization has to keep as it is.
    """
    import tensorflow_model_optimization as tfmot
    import tf_keras

    registry = tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry()

    def annotate(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(layer, tf_keras.layers.InputLayer):
            return layer
        if isinstance(layer, tf_keras.layers.BatchNormalization) and _is_folded(layer):
            return tfmot.quantization.keras.quantize_annotate_layer(layer)
        if not registry.supports(layer):
            refused.append(layer.name)
            context.skip(layer.name, config.method, f"TF-MOT's 8-bit scheme does not know {type(layer).__name__}")
            return layer
        named.append(layer.name)
        return tfmot.quantization.keras.quantize_annotate_layer(layer)

    named: list[str] = []
    refused: list[str] = []
    front, rest = audio_frontend.split(context.copy(model))
    if front is not None:
        context.skip(
            audio_frontend.NAME, config.method, "spectra span more than eight bits: the front-end stays float32"
        )
    annotated = tf_keras.models.clone_model(rest, clone_function=annotate)
    for name in named:
        context.rungs[name] = ANNOTATED if refused or front is not None else WHOLE
    own = {type(layer).__name__: type(layer) for layer in rest.layers}  # TF-MOT makes all layers anew, by their names
    with tf_keras.utils.custom_object_scope(own):
        applied = tfmot.quantization.keras.quantize_apply(annotated, tfmot_internals.honest(scheme))
    aware = audio_frontend.join(front, applied)
    context.fine_tune(aware, config)
    return aware


def _is_folded(layer: tf_keras.layers.Layer) -> bool:
    """Whether TF-MOT folds this batch normalisation into the layer before it; anywhere else it rejects one.

    It does not where something else, such as a shortcut, takes that layer's output too.
    """
    from tf_keras import layers

    before = keras_internals.first_call(layer).inbound_layers
    folds = isinstance(before, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense))
    return folds and keras_internals.call_count(before) == 1


def export(model: tf_keras.Model, context: Context) -> bytes:
    """Converts the simulated ranges to int8 kernels; the ranges are in the model, so there is no calibration."""
    import tensorflow as tf

    converter = context.converter(model, unrolled=True)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())
