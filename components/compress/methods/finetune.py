"""Fine-tuning alone: the float model trained on, which makes it no smaller.

The control of the methods that fine-tune: what a compressed model loses is told honestly only against a float model
that has had as many steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import TunedConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class FinetuneConfig(TunedConfig):
    """How long."""

    method: Literal["finetune"] = "finetune"


class Finetune(Method[FinetuneConfig]):
    """Fine-tuning alone: the float model trained on, which makes it no smaller."""

    Config = FinetuneConfig
    UNDOES = {"prune": "prune with more epochs", "cluster": "cluster with more epochs"}

    def tune(self, model: tf_keras.Model, config: FinetuneConfig, context: Context) -> tf_keras.Model:
        """Trains a copy further, as the methods do that change it meanwhile."""
        copied = context.copy(model)
        context.fine_tune(copied, config)
        return copied
