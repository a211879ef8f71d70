"""Rounds each kernel to a few equally spaced values: the flatbuffer stays as long, but gzip finds more to share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import MethodConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class RoundKernelsConfig(MethodConfig):
    """What may stand behind its name in a chain."""

    method: Literal["round_kernels"] = "round_kernels"
    levels: int = Field(16, ge=2, le=256, description="How many values a kernel has room for.")


class RoundKernels(Method[RoundKernelsConfig]):
    """Rounds each kernel to a few equally spaced values: the flatbuffer stays as long, but gzip finds more to share."""

    Config = RoundKernelsConfig
    # The defaults of Method: it stands anywhere, needs no other method, undoes none and leaves the export to another.

    def tune(self, model: tf_keras.Model, config: RoundKernelsConfig, context: Context) -> tf_keras.Model:
        """A copy whose kernels are rounded; biases and normalisation stay as they are."""
        copied = context.copy(model)
        for layer in copied.layers:
            if hasattr(layer, "kernel"):
                kernel = layer.kernel.numpy()
                step = max(float(np.ptp(kernel)), 1e-12) / (config.levels - 1)
                layer.kernel.assign(np.round((kernel - kernel.min()) / step) * step + kernel.min())
        return copied
