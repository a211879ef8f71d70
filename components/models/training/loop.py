"""What a training loop is. One file in components/models/training/loops is one loop, found by its name."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from modelmill.components.models.training import choice
from modelmill.components.models.training.choice import NamedConfig
from modelmill.data.core import plugins
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf

PACKAGE = "modelmill.components.models.training.loops"


class LoopConfig(NamedConfig):
    """Base of every loop's Config: its name, and what settings it adds."""


LoopConfigT = TypeVar("LoopConfigT", bound=LoopConfig)
DEFAULT = LoopConfig(name="supervised")


class Loop(plugins.Plugin[LoopConfigT]):
    """Base of every training loop: what is made small. Epochs, checkpoints and devices are the driver's (driver.py).

    It imports TensorFlow only inside its methods.
    """

    KIND = "training loop"
    PACKAGE = PACKAGE
    BASE_CONFIG = LoopConfig
    Config: type[LoopConfigT] = LoopConfig  # type: ignore[assignment]

    @abstractmethod
    def loss(self, config: LoopConfigT, labels: tf.Tensor, answers: tf.Tensor, task: Task[Any]) -> tf.Tensor:
        """Return the loss of each example, float32 [batch]; its mean, weighted by the classes, is made small.

        Args:
          config: the settings.
          labels: as the task has them in a batch.
          answers: float32 [batch, ...], what the bare model gives, such as logits.
          task: the task of the examples.
        """


def look_up(name: str) -> Loop[Any]:
    """Return the loop called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugins.get(Loop, name)  # type: ignore[type-abstract]


def written(config: LoopConfig) -> str | dict[str, Any]:
    """Return a Config as an experiment has it, which `parse` reads: name, or {name: settings} if it has any."""
    settings = config.model_dump(mode="json", exclude={"name"})
    return {config.name: settings} if settings else config.name


def parse(value: Any) -> LoopConfig:
    """Return the Config of the loop that `value` names: name, {name: settings} or {"name": name, **settings}.

    Raises:
      ValueError: there is no such loop, or it does not take such settings; see choice.py.
    """
    config: LoopConfig = choice.parse(Loop, value, DEFAULT.name)
    return config
