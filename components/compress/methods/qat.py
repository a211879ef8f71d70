"""Quantization-aware training: fine-tuning with int8 simulated (Jacob et al., 2018; TF-MOT).

It keeps neither the zeros of pruning nor the values of clustering: after those stand pqat, cqat and pcqat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import qat

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class QatConfig(qat.AwareConfig):
    """How long it is fine-tuned with quantization simulated."""

    method: Literal["qat"] = "qat"


class Qat(Method[QatConfig]):
    """Quantization-aware training: fine-tuning with int8 simulated (Jacob et al., 2018; TF-MOT)."""

    Config = QatConfig
    UNDOES = {"prune": "pqat", "cluster": "cqat"}
    EXPORTS = True
    KEEPS_WRAPPERS = True
    PRESERVES = ()

    def tune(self, model: tf_keras.Model, config: QatConfig, context: Context) -> tf_keras.Model:
        """Simulates int8 in every layer that TF-MOT's 8-bit scheme knows."""
        import tensorflow_model_optimization as tfmot

        scheme = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
        return qat.tune(model, config, context, scheme)

    def export(self, model: tf_keras.Model, config: QatConfig, context: Context) -> bytes:
        """Converts to int8 kernels; the input stays uint8, the output float32."""
        return qat.export(model, context)
