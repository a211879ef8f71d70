"""Quantization-aware training that keeps the zeros of pruning (TF-MOT's PQAT).

Plain quantization-aware training after pruning loses them: of 80 % zeros some 8 % are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import qat

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class PqatConfig(qat.AwareConfig):
    """How long it is fine-tuned with quantization simulated."""

    method: Literal["pqat"] = "pqat"


class Pqat(Method[PqatConfig]):
    """Quantization-aware training that keeps the zeros of pruning (TF-MOT's PQAT)."""

    Config = PqatConfig
    FOLLOWS = ("prune",)
    UNDOES = {"cluster": "pcqat"}
    EXPORTS = True
    KEEPS_WRAPPERS = True
    PRESERVES = ("prune",)

    def tune(self, model: tf_keras.Model, config: PqatConfig, context: Context) -> tf_keras.Model:
        """Simulates int8, weights that are zero stay zero."""
        import tensorflow_model_optimization as tfmot

        return qat.tune(model, config, context, tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme())

    def export(self, model: tf_keras.Model, config: PqatConfig, context: Context) -> bytes:
        """Converts to int8 kernels; the input stays uint8, the output float32."""
        return qat.export(model, context)
