"""Focal loss (Lin et al., 2017): examples that the model is already sure of count less."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelmill.components.models.training.loop import Loop, LoopConfig, LossTerms, Step, Update


class FocalConfig(LoopConfig):
    """What may stand behind its name in `train.loop`."""

    name: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, description="How much less; 0 is the loss of the task.")


class Focal(Loop[FocalConfig]):
    """Scale the task's cross-entropy by (1 - probability of the right class) to the power gamma."""

    Config = FocalConfig

    def loss(self, config: FocalConfig, update: Update, step: Step) -> LossTerms:
        """Return the loss of each example, float32 [batch], and what each of them counts."""
        import tensorflow as tf

        outputs = step.outputs()
        entropy = step.task.loss(step.target, outputs)
        return LossTerms(entropy * (1 - tf.exp(-entropy)) ** config.gamma, tf.ones_like(entropy), outputs)
