"""Trained Keras networks: read from files without running code of theirs, cut, put behind other layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.upstream import keras_internals
from modelmill.data.core import plugins

if TYPE_CHECKING:
    import tf_keras

SUFFIXES = (".keras", ".h5", ".hdf5")


def load(path: Path, field: str) -> tf_keras.Model:
    """The model in a file of Keras, in its own format or HDF5.

    Args: field: of the experiment, for errors.

    Raises:
      ValueError: it is none, or it holds code (a Lambda layer), or is no Sequential or Functional model.
    """
    import tf_keras

    if path.suffix not in SUFFIXES:
        raise ValueError(f"{field}: {path}: a file of Keras ends with {', '.join(SUFFIXES)}")
    try:
        with keras_internals.safe_mode():
            model = tf_keras.models.load_model(path, compile=False)
    except Exception as error:  # whatever Keras raises on what it can't read
        why = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{field}: {path}: not a model that can be read safely: {type(error).__name__}: {why}"
        ) from error
    if not keras_internals.is_functional(model):
        raise ValueError(f"{field}: {path}: a {type(model).__name__}; only Sequential and Functional models can be cut")
    return model


def from_json(text: str) -> tf_keras.Model:
    """The untrained model of an architecture that to_json wrote."""
    import tf_keras

    with keras_internals.safe_mode():
        return tf_keras.models.model_from_json(text)


def cut(model: tf_keras.Model, layer: str, field: str) -> tf_keras.Model:
    """The model up to a layer. Raises ValueError if it has no such layer."""
    import tf_keras

    names = [one.name for one in model.layers]
    if layer not in names:
        raise ValueError(f"{field}: {plugins.unknown('layer', layer, names)}")
    return tf_keras.Model(model.inputs, model.get_layer(layer).output)


def behind(features: tf_keras.KerasTensor, model: tf_keras.Model, prefix: str) -> tf_keras.KerasTensor:
    """What fresh copies of a model's layers make of `features`; their names get a prefix, to be told from others.

    Layers of models within it come out one by one: TF-MOT takes no model within a model. They compute in the precision
    that is asked for now, not in that of their own training.
    """
    import tf_keras

    precision = tf_keras.mixed_precision.global_policy().name
    found = {str(id(model.inputs[0])): features}
    for node in keras_internals.nodes(model):
        arguments, named = keras_internals.arguments(node, found)
        layer = node.layer
        if keras_internals.has_nodes(layer):
            outputs = behind(arguments[0], layer, prefix)
        else:
            config = {**layer.get_config(), "name": prefix + layer.name}
            if "dtype" in config and layer.weights:
                config["dtype"] = precision
            outputs = layer.__class__.from_config(config)(*arguments, **named)
        found[str(node.flat_output_ids[0])] = outputs
    return found[str(id(model.outputs[0]))]


def weights_by_layer(path: Path) -> dict[str, list[np.ndarray[Any, Any]]]:
    """Of an HDF5 file that names weights by layers (Keras' older format): each layer's, in its order; {} of others."""
    import h5py

    found: dict[str, list[np.ndarray[Any, Any]]] = {}
    with h5py.File(path) as file:
        root = file.get("model_weights", file)
        for name, group in root.items():
            for weight in group.attrs.get("weight_names", ()):
                text = weight.decode() if isinstance(weight, bytes) else str(weight)
                layer = text.split("/")[-2] if "/" in text else name
                found.setdefault(layer, []).append(np.asarray(group[text]))
    return found


def layers(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """All layers, those of models within it one by one."""
    return [one for found in model.layers for one in (layers(found) if keras_internals.has_nodes(found) else [found])]


def give(model: tf_keras.Model, weights: dict[str, list[np.ndarray[Any, Any]]], prefix: str, source: str) -> None:
    """Sets the weights of a model's layers whose names begin with a prefix.

    Args: weights: by the names without the prefix; source: where they come from, for errors.

    Raises:
      ValueError: a layer gets none, or some of another shape.
    """
    for layer in model.layers:
        if not layer.weights or not layer.name.startswith(prefix):
            continue
        name = layer.name.removeprefix(prefix)
        if name not in weights:
            raise ValueError(f"{source}: there are no weights for layer {name}; it has {', '.join(weights)[:200]}")
        found, wanted = [one.shape for one in weights[name]], [tuple(one.shape) for one in layer.weights]
        if found != wanted:
            raise ValueError(f"{source}: layer {name} has weights of shapes {found}, the network needs {wanted}")
        layer.set_weights(weights[name])


def settled(model: tf_keras.Model) -> str:
    """The architecture, for from_json."""
    return json.dumps(json.loads(model.to_json()), separators=(",", ":"))
