"""Recurrent layers for flatbuffers: they carry no state from call to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras


def stateless(model: tf_keras.Model, unrolled: bool = False) -> tf_keras.Model:
    """A model of the same weights, recurrent layers in our own operations; the model itself if it has none.

    All other layers are shared. Recurrent layers that ours do not know (of other cells, with other activations) are
    Keras' own, unrolled.

    Args:
      unrolled: see layers/recurrent.py.
    """
    import tf_keras

    recurrent = (tf_keras.layers.RNN, tf_keras.layers.Bidirectional)
    if not any(isinstance(layer, recurrent) for layer in model.layers):
        return model

    def copy(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if not isinstance(layer, recurrent):
            return layer  # TF-MOT's wrappers can't be made again from their configuration
        return _ours(layer, unrolled) if _is_known(layer) else _keras_unrolled(layer)

    made = tf_keras.models.clone_model(model, clone_function=copy)
    made.set_weights(model.get_weights())
    return made


def _is_known(layer: tf_keras.layers.Layer) -> bool:
    """Whether layers/recurrent.py computes what it computes."""
    from tf_keras import activations, layers

    if type(layer) not in (layers.LSTM, layers.GRU):
        return False
    usual = (layer.activation, layer.recurrent_activation) == (activations.tanh, activations.sigmoid)
    plain = layer.use_bias and not (layer.return_state or layer.stateful or layer.time_major)
    masked = layer.zero_output_for_mask  # other numbers at masked steps than ours
    return usual and plain and not masked and getattr(layer, "reset_after", True)


def _ours(layer: tf_keras.layers.Layer, unrolled: bool) -> tf_keras.layers.Layer:
    from modelmill.components.models.layers.recurrent import Recurrent

    return Recurrent(
        cell=type(layer).__name__.lower(),
        units=layer.units,
        sequences=layer.return_sequences,
        backwards=layer.go_backwards,
        unrolled=unrolled,
        name=layer.name,
    )


def _keras_unrolled(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
    import tf_keras

    config = layer.get_config()
    _unroll(config)
    made = layer.__class__.from_config(config)
    if isinstance(made, tf_keras.layers.Bidirectional):
        # It would be given zeros by a mask that runs the other way (backend.rnn); padding behind has zeros already.
        made.backward_layer.zero_output_for_mask = False
    return made


def _unroll(config: dict[str, Any]) -> None:
    """In place, of a layer's configuration and of those of the layers that it wraps."""
    if "unroll" in config:
        config["unroll"] = True
    for name in ("layer", "backward_layer"):
        if name in config:
            _unroll(config[name]["config"])
