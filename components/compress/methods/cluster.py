"""Weight clustering with fine-tuning: each kernel gets by with a few different values (TF-MOT; Han et al., 2016).

The flatbuffer is no smaller by itself, but compresses better. Zeros of pruning stay zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import TunedConfig
from modelmill.components.upstream import tfmot_internals

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context

# Kernels with at least this share of zeros were pruned; a trained one has hardly any.
PRUNED = 0.05


class ClusterConfig(TunedConfig):
    """How many values, and how they are found at first; fine-tuning moves them."""

    method: Literal["cluster"] = "cluster"
    clusters: int = Field(16, ge=3, le=256, description="Different values of each kernel.")
    start: Literal["kmeans_plus_plus", "linear", "density_based", "random"] = "kmeans_plus_plus"
    per_channel: bool = Field(False, description="Of two-dimensional convolutions: values of its own for each filter.")
    epochs: int = Field(5, ge=1, description="Of fine-tuning.")
    learning_rate: float = Field(3e-4, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")


class Cluster(Method[ClusterConfig]):
    """Weight clustering with fine-tuning: each kernel gets by with a few different values."""

    Config = ClusterConfig

    def tune(self, model: tf_keras.Model, config: ClusterConfig, context: Context) -> tf_keras.Model:
        """Clusters every layer with a kernel that TF-MOT knows, and strips the wrappers when done."""
        import tensorflow_model_optimization as tfmot
        import tf_keras

        start = tfmot.clustering.keras.CentroidInitialization[config.start.upper()]

        def wrap(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
            if not layer.weights:
                return layer
            if not tfmot_internals.can_cluster(layer):
                context.skip(layer.name, "cluster", f"TF-MOT does not know how to cluster {type(layer).__name__}")
                return layer
            kernels = [weight.numpy() for weight in layer.weights if len(weight.shape) > 1]
            if not kernels:
                context.skip(layer.name, "cluster", f"{type(layer).__name__} has no kernel")
                return layer
            sparse = any(np.mean(kernel == 0) >= PRUNED for kernel in kernels)
            # TF-MOT counts the filters by the bias, and without a word does nothing where there is none.
            apart = config.per_channel and type(layer) is tf_keras.layers.Conv2D and layer.use_bias
            if config.per_channel and not apart:
                context.skip(
                    layer.name, "cluster", "per_channel: only a Conv2D with a bias can be; clustered as a whole"
                )
            parts = [part for one in kernels for part in np.moveaxis(one, -1, 0)] if apart else kernels
            clusters = min(most_clusters(part, config.clusters, sparse) for part in parts)
            if clusters < 3:
                context.skip(layer.name, "cluster", "its kernel has fewer than three different weights already")
                return layer
            if clusters < config.clusters:
                context.skip(layer.name, "cluster", f"{clusters} clusters: its kernel has no more different weights")
            return tfmot.clustering.keras.cluster_weights(
                layer,
                number_of_clusters=clusters,
                cluster_centroids_init=start,
                preserve_sparsity=sparse,
                cluster_per_channel=apart,
            )

        wrapped = tf_keras.models.clone_model(context.copy(model), clone_function=wrap)
        context.fine_tune(wrapped, config)
        return tfmot.clustering.keras.strip_clustering(wrapped)


def most_clusters(kernel: np.ndarray[Any, Any], wanted: int, sparse: bool) -> int:
    """The number of clusters, `wanted` at most, for which a kernel has enough different weights.

    If zeros are to stay, TF-MOT keeps one cluster for them and shares out the others among the negative and the
    positive weights by their number; k-means++ fails where there are fewer different ones than clusters.
    """
    if not sparse:
        return min(wanted, len(np.unique(kernel)))
    negative, positive = kernel[kernel < 0], kernel[kernel > 0]
    for clusters in range(wanted, 1, -1):
        below = round((clusters - 1) * negative.size / max(negative.size + positive.size, 1))
        if below <= len(np.unique(negative)) and clusters - 1 - below <= len(np.unique(positive)):
            return clusters
    return 1
