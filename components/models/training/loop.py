"""What a training loop is. One file in components/models/training/loops is one loop, found by its name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from modelmill.components.models.training import choice
from modelmill.components.models.training.choice import NamedConfig
from modelmill.components.models.training.config import OptimizerConfig
from modelmill.data.batch import Batch, network_inputs
from modelmill.data.core import plugin_base
from modelmill.data.spec import Spec
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

PACKAGE = "modelmill.components.models.training.loops"
# A network, called with inputs and `training`.
Network = Callable[..., Any]


class LoopConfig(NamedConfig):
    """Base of every loop's Config: its name, and what settings it adds."""


LoopConfigT = TypeVar("LoopConfigT", bound=LoopConfig)
DEFAULT = LoopConfig(name="supervised")


class Update(NamedTuple):
    """One optimizer's part of a training step.

    Attributes:
      name: of the update, in the history (`NAME_loss`) where there are several: of the epochs in which it was made.
      networks: the names of those whose variables it moves.
      every: it is made in the first of so many steps: a critic with 1 moves five times as often as a generator with 5.
      optimizer: its settings; those of the experiment if None.
    """

    name: str = "main"
    networks: tuple[str, ...] = ("main",)
    every: int = 1
    optimizer: OptimizerConfig | None = None


class Step(NamedTuple):
    """What a loss is computed of.

    Attributes:
      networks: by their names, each called as network(inputs, training=...).
      inputs: of a batch, normalised, by their names in the spec.
      targets: as the task's `target` gives them, by their names in the spec.
      task: of the examples.
      spec: of the examples.
      number: of the step, int64 scalar: for values that are annealed.
      seed: of the step, int64 [2]: for tf.random.stateless_*; every step of every seed of an experiment has its own.
      training: False while the eval split is evaluated.
    """

    networks: Mapping[str, Network]
    inputs: Batch
    targets: Batch
    task: Task[Any]
    spec: Spec
    number: tf.Tensor
    seed: tf.Tensor
    training: bool

    def outputs(self, network: str = "main") -> Any:
        """Call a network with the inputs of the batch: one as a tensor, several by their input layers' names."""
        return self.networks[network](network_inputs(self.inputs), training=self.training)

    @property
    def input(self) -> tf.Tensor:
        """The only input. Raises ValueError if there are several."""
        return self.inputs[self.spec.input.name]

    @property
    def target(self) -> tf.Tensor:
        """The only target. Raises ValueError if there are several."""
        return self.targets[self.spec.target.name]


class LossTerms(NamedTuple):
    """A loss, before it is divided by the sum of the weights over all replicas.

    Attributes:
      sums: float32 [batch], of each example, such as the nats of its tokens.
      weights: float32 [batch], what each example counts, such as the number of its tokens; 1 where all count alike.
      outputs: what the task's `train_metric` takes; None where the update has none.
    """

    sums: tf.Tensor
    weights: tf.Tensor
    outputs: Any = None


class Addition(Protocol):
    """A term of the loss of the first update that moves a network, as distillation adds one."""

    network: str  # the name of the network that learns it
    layers: list[tf_keras.layers.Layer]  # with variables that are trained beside those of the networks

    def watched(self, networks: dict[str, Network]) -> dict[str, Network]:
        """Return the networks to call, which may keep what layers within them give."""

    def terms(self, step: Step, terms: LossTerms) -> tuple[float, tf.Tensor]:
        """Return the share that the loop's own loss keeps, and sums float32 [batch] that are added to it."""


class Loop(plugin_base.Plugin[LoopConfigT]):
    """Base of every training loop: what is made small. Epochs, checkpoints and devices are the driver's (driver.py).

    It imports TensorFlow only inside its methods.
    """

    KIND = "training loop"
    PACKAGE = PACKAGE
    BASE_CONFIG = LoopConfig
    Config: type[LoopConfigT] = LoopConfig  # type: ignore[assignment]

    def updates(self, config: LoopConfigT) -> tuple[Update, ...]:
        """Return the updates of a step, in their order; by default one, of the network `main`."""
        return (Update(),)

    @abstractmethod
    def loss(self, config: LoopConfigT, update: Update, step: Step) -> LossTerms:
        """Return the loss that an update makes small.

        Args:
          config: the settings.
          update: one of `updates`.
          step: the batch and the networks.
        """


def look_up(name: str) -> Loop[Any]:
    """Return the loop called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugin_base.get(Loop, name)  # type: ignore[type-abstract]


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
