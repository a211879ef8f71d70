"""Quantization-aware training that keeps the values of clustering (TF-MOT's CQAT).

As many different weights as before, each now an int8; after pruning use pcqat, which keeps the zeros too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import qat

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class CqatConfig(qat.AwareConfig):
    """How long it is fine-tuned with quantization simulated."""

    method: Literal["cqat"] = "cqat"


class Cqat(Method[CqatConfig]):
    """Quantization-aware training that keeps the values of clustering (TF-MOT's CQAT)."""

    Config = CqatConfig
    FOLLOWS = ("cluster",)
    UNDOES = {"prune": "pcqat"}
    EXPORTS = True
    KEEPS_WRAPPERS = True
    PRESERVES = ("cluster",)

    def tune(self, model: tf_keras.Model, config: CqatConfig, context: Context) -> tf_keras.Model:
        """Simulates int8, weights of one value keep one value."""
        import tensorflow_model_optimization as tfmot

        scheme = tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=False)
        return qat.tune(model, config, context, scheme)

    def export(self, model: tf_keras.Model, config: CqatConfig, context: Context) -> bytes:
        """Converts to int8 kernels; the input stays uint8, the output float32."""
        return qat.export(model, context)
