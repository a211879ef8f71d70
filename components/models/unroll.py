"""Recurrent layers for flatbuffers: with their loop over steps unrolled, they carry no state from call to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras


def unrolled(model: tf_keras.Model) -> tf_keras.Model:
    """A model of the same weights, recurrent layers unrolled and all others shared; the model itself if it has none."""
    import tf_keras

    recurrent = (tf_keras.layers.RNN, tf_keras.layers.Bidirectional)
    if not any(isinstance(layer, recurrent) for layer in model.layers):
        return model

    def copy(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if not isinstance(layer, recurrent):
            return layer  # TF-MOT's wrappers can't be made again from their configuration
        config = layer.get_config()
        _unroll(config)
        return layer.__class__.from_config(config)

    made = tf_keras.models.clone_model(model, clone_function=copy)
    made.set_weights(model.get_weights())
    return made


def _unroll(config: dict[str, Any]) -> None:
    """In place, of a layer's configuration and of those of the layers that it wraps."""
    if "unroll" in config:
        config["unroll"] = True
    for name in ("layer", "backward_layer"):
        if name in config:
            _unroll(config[name]["config"])
