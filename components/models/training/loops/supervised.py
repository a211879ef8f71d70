"""Learning from examples with labels, by the loss of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from modelmill.components.models.training.loop import Loop, LoopConfig
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf


class SupervisedConfig(LoopConfig):
    """It has no settings."""

    name: Literal["supervised"] = "supervised"


class Supervised(Loop[SupervisedConfig]):
    """Minimize the loss of the task."""

    Config = SupervisedConfig

    def loss(self, config: SupervisedConfig, labels: tf.Tensor, answers: tf.Tensor, task: Task[Any]) -> tf.Tensor:
        """Return the task's own loss."""
        return task.loss(labels, answers)
