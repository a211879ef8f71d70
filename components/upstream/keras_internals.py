"""Keras 2: the nodes of a Functional model, an optimizer's steps, safe reading of models, and a layer's answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from modelmill.components.upstream import guard

if TYPE_CHECKING:
    import tf_keras

KERAS = guard.Library("tf_keras", "==2.21.*")


def is_functional(model: Any) -> bool:
    """Return whether a layer or model is a Functional or Sequential model: Keras has no public question for that."""
    guard.require(KERAS, "Model._is_graph_network")
    return bool(getattr(model, "_is_graph_network", False))


def has_nodes(layer: Any) -> bool:
    """Return whether a layer is a model whose layers `nodes` can walk through."""
    guard.require(KERAS, "Functional._nodes_by_depth")
    return hasattr(layer, "_nodes_by_depth")


def nodes(model: tf_keras.Model) -> Iterator[Any]:
    """Yield the calls of a Functional model's layers, each after those whose outputs it takes; the inputs left out.

    Keras' public API has the layers of a model, but not in which order and on which tensors they are called. A node has
    `layer`, `outputs`, `flat_output_ids` (by which `uses` names them), `call_args`, `call_kwargs` and `map_arguments`.
    """
    guard.require(KERAS, "Functional._nodes_by_depth")
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (node for node in model._nodes_by_depth[depth] if not node.is_input)


def uses(model: tf_keras.Model) -> dict[str, int]:
    """Return how often each tensor of a Functional model is taken, by its id: `map_arguments` counts them down."""
    guard.require(KERAS, "Functional._tensor_usage_count")
    found: dict[str, int] = model._tensor_usage_count
    return found


def structure(model: tf_keras.Model) -> tuple[Any, Any]:
    """Return the inputs and outputs of a Functional model, nested as they were given: its public lists are flat."""
    guard.require(KERAS, "Functional._nested_inputs")
    return model._nested_inputs, model._nested_outputs


def arguments(node: Any, found: dict[str, Any]) -> tuple[Any, Any]:
    """Return a node's arguments with its tensors replaced; unlike `map_arguments` it needs no count of their uses.

    Args:
      node: of `nodes`.
      found: by a tensor's id, what takes its place.
    """
    guard.require(KERAS, "keras_tensor.KerasTensor")
    import tensorflow as tf
    from tf_keras.src.engine import keras_tensor

    def replaced(value: Any) -> Any:
        return found[str(id(value))] if isinstance(value, keras_tensor.KerasTensor) else value

    return tf.nest.map_structure(replaced, (node.call_args, node.call_kwargs))


def first_call(layer: tf_keras.layers.Layer) -> Any:
    """Return the node of a layer's first call: with `call_args`, `call_kwargs`, and `inbound_layers`, of its inputs."""
    guard.require(KERAS, "Layer.inbound_nodes")
    return layer.inbound_nodes[0]


def call_count(layer: tf_keras.layers.Layer) -> int:
    """Return how many calls of layers take a layer's outputs, in whatever model."""
    guard.require(KERAS, "Layer.outbound_nodes")
    return len(layer.outbound_nodes)


@contextmanager
def answering(layer: tf_keras.layers.Layer, value: Any) -> Iterator[None]:
    """Replace what a layer gives, within: a model of the layers after it can't be made if masks take the inputs too."""
    guard.require(KERAS, "Layer.call, replaced in a layer")
    before = layer.call
    layer.call = lambda *_, **__: value
    try:
        yield
    finally:
        layer.call = before


def safe_mode() -> AbstractContextManager[Any]:
    """Refuse Lambda layers, within: their code comes from the file, and Keras' `safe_mode` trusts HDF5 and JSON."""
    guard.require(KERAS, "serialization_lib.SafeModeScope")
    from tf_keras.src.saving import serialization_lib

    scope: AbstractContextManager[Any] = serialization_lib.SafeModeScope(safe_mode=True)
    return scope


def with_factors(kind: Any, factors: list[float]) -> Any:
    """Return the class of optimizer `kind` with a learning rate of its own for each variable, which Keras has not.

    Gradients can't be multiplied instead: Adam's steps do not depend on their size.

    Args: factors: of the rate, for each of the variables that the optimizer will be built for.
    """
    guard.require(KERAS, "Optimizer._index_dict")

    class Factored(kind):
        _now: float = 1.0

        @property
        def learning_rate(self) -> Any:
            rate = super().learning_rate
            return rate if self._now == 1 else rate * self._now

        @learning_rate.setter
        def learning_rate(self, value: Any) -> None:
            kind.learning_rate.fset(self, value)

        def _use_weight_decay(self, variable: Any) -> bool:
            """Asked for each variable, just before its decay by the rate."""
            self._now = factors[self._index_dict[self._var_key(variable)]]
            return bool(super()._use_weight_decay(variable))

        def _apply_weight_decay(self, variables: Any) -> None:
            super()._apply_weight_decay(variables)
            self._now = 1.0

        def update_step(self, gradient: Any, variable: Any) -> None:
            self._now = factors[self._index_dict[self._var_key(variable)]]
            super().update_step(gradient, variable)
            self._now = 1.0

    return Factored
