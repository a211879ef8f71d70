"""Learning from examples with labels, by the loss of their task."""

from __future__ import annotations

from typing import Literal

from modelmill.components.models.training.loop import Loop, LoopConfig, LossTerms, Step, Update


class SupervisedConfig(LoopConfig):
    """It has no settings."""

    name: Literal["supervised"] = "supervised"


class Supervised(Loop[SupervisedConfig]):
    """Minimize the loss of the task."""

    Config = SupervisedConfig

    def loss(self, config: SupervisedConfig, update: Update, step: Step) -> LossTerms:
        """Return the task's own loss."""
        import tensorflow as tf

        outputs = step.outputs()
        loss = step.task.loss(step.target, outputs)
        return LossTerms(loss, tf.ones_like(loss), outputs)
