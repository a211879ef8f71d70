"""TensorFlow Model Optimization: which layers it can compress, and a scheme that claims no more than it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelmill.components.upstream import guard

if TYPE_CHECKING:
    import tf_keras

TFMOT = guard.Library("tensorflow-model-optimization", "==0.8.1")


def can_prune(layer: tf_keras.layers.Layer) -> bool:
    """Return whether TF-MOT knows how to prune a layer: its public API raises only when it is wrapped."""
    guard.require(TFMOT, "PruneRegistry")
    from tensorflow_model_optimization.python.core.sparsity.keras.prune_registry import PruneRegistry

    return bool(PruneRegistry.supports(layer))


def can_cluster(layer: tf_keras.layers.Layer) -> bool:
    """Return whether TF-MOT knows how to cluster a layer: its public API raises only when it is wrapped."""
    guard.require(TFMOT, "ClusteringRegistry")
    from tensorflow_model_optimization.python.core.clustering.keras.clustering_registry import ClusteringRegistry

    return bool(ClusteringRegistry.supports(layer))


def honest(scheme: Any) -> Any:
    """Return a quantization scheme that supports only what it can quantize.

    The registries of the schemes that keep zeros or clusters claim any layer without trainable weights, and then fail
    on those that the default registry does not know.
    """
    guard.require(TFMOT, "what quantize_apply calls of a QuantizeScheme")
    import tensorflow_model_optimization as tfmot

    default = tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry()
    return _Scheme(scheme.get_layout_transformer(), _Registry(scheme.get_quantize_registry(), default))


@dataclass(frozen=True)
class _Registry:
    own: Any
    default: Any

    def supports(self, layer: tf_keras.layers.Layer) -> bool:
        return self.own.supports(layer) and (bool(layer.trainable_weights) or self.default.supports(layer))

    def get_quantize_config(self, layer: tf_keras.layers.Layer) -> Any:
        return self.own.get_quantize_config(layer)


@dataclass(frozen=True)
class _Scheme:
    """What TF-MOT asks a scheme for."""

    transformer: Any
    registry: _Registry

    def get_layout_transformer(self) -> Any:
        return self.transformer

    def get_quantize_registry(self) -> _Registry:
        return self.registry
