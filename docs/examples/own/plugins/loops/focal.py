"""Focal loss (Lin et al., 2017): examples that the model is already sure of count less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelmill.components.models.training.loop import Loop, LoopConfig
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf


class FocalConfig(LoopConfig):
    """What may stand behind its name in `train.loop`."""

    name: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, description="How much less; 0 is the loss of the task.")


class Focal(Loop[FocalConfig]):
    """Scale the task's cross-entropy by (1 - probability of the right class) to the power gamma."""

    Config = FocalConfig

    def loss(self, config: FocalConfig, labels: tf.Tensor, answers: tf.Tensor, task: Task[Any]) -> tf.Tensor:
        """Return the loss of each example, float32 [batch]."""
        import tensorflow as tf

        entropy = task.loss(labels, answers)
        return entropy * (1 - tf.exp(-entropy)) ** config.gamma
