"""Quantization-aware training that keeps the zeros of pruning and the values of clustering (TF-MOT's PCQAT).

The last of three: prune, cluster (which keeps the zeros by itself), pcqat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import qat

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class PcqatConfig(qat.AwareConfig):
    """How long it is fine-tuned with quantization simulated."""

    method: Literal["pcqat"] = "pcqat"


class Pcqat(Method[PcqatConfig]):
    """Quantization-aware training that keeps the zeros of pruning and the values of clustering (TF-MOT's PCQAT)."""

    Config = PcqatConfig
    FOLLOWS = ("cluster",)
    NEEDS = ("prune",)
    EXPORTS = True
    KEEPS_WRAPPERS = True
    PRESERVES = ("prune", "cluster")

    def tune(self, model: tf_keras.Model, config: PcqatConfig, context: Context) -> tf_keras.Model:
        """Simulates int8, zeros stay zero and weights of one value keep one value."""
        import tensorflow_model_optimization as tfmot

        scheme = tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
        return qat.tune(model, config, context, scheme)

    def export(self, model: tf_keras.Model, config: PcqatConfig, context: Context) -> bytes:
        """Converts to int8 kernels; the input stays uint8, the output float32."""
        return qat.export(model, context)
