"""What a strategy is: on which devices a model trains. One file in training/strategies is one, found by its name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from modelmill.components.models.training import choice
from modelmill.components.models.training.choice import NamedConfig
from modelmill.data.core import plugin_base

if TYPE_CHECKING:
    import tensorflow as tf

PACKAGE = "modelmill.components.models.training.strategies"


class StrategyConfig(NamedConfig):
    """Base of every strategy's Config: its name, and what settings it adds."""


StrategyConfigT = TypeVar("StrategyConfigT", bound=StrategyConfig)
DEFAULT = StrategyConfig(name="auto")


@dataclass(frozen=True)
class Machine:
    """What a strategy is chosen for.

    Attributes:
      gpus: of this machine, those that TensorFlow can use.
      xla: whether XLA compiles the steps.
    """

    gpus: int
    xla: bool = False

    def __str__(self) -> str:
        """Return how the reason for a choice names it."""
        return f"this machine has {('no GPU', 'one GPU')[self.gpus] if self.gpus < 2 else f'{self.gpus} GPUs'}"


@dataclass(frozen=True)
class Offer:
    """A strategy that would do on a machine.

    Attributes:
      rank: `auto` takes the highest.
      settings: of its Config.
      reason: why this one.
    """

    rank: int
    settings: dict[str, Any]
    reason: str


class Strategy(plugin_base.Plugin[StrategyConfigT]):
    """Base of every strategy. It imports TensorFlow only inside its methods.

    Attributes:
      XLA: whether XLA can compile steps under it.
      OWN_PROCESS: whether it must be made before TensorFlow has run any op, so in a process of its own.
    """

    KIND = "strategy"
    PACKAGE = PACKAGE
    Config: type[StrategyConfigT] = StrategyConfig  # type: ignore[assignment]
    XLA: ClassVar[bool] = False
    OWN_PROCESS: ClassVar[bool] = True

    def set_up(self, config: StrategyConfigT) -> None:
        """Prepare the process, before TensorFlow makes its devices: logical devices, addresses of workers, ...

        Raises:
          ValueError: this machine does not have what the settings ask for.
        """

    @abstractmethod
    def make(self, config: StrategyConfigT) -> tf.distribute.Strategy:
        """Make the tf.distribute strategy; the process is set up."""

    def choose(self, config: StrategyConfigT, machine: Machine) -> tuple[StrategyConfig, str]:
        """Return the strategy to use on `machine`, and why; itself by default, which needs no reason."""
        return config, ""

    def offer(self, machine: Machine) -> Offer | None:
        """Return how well it would do on `machine`, for `auto`; by default it must be asked for by its name."""
        return None


def look_up(name: str) -> Strategy[Any]:
    """Return the strategy called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugin_base.get(Strategy, name)  # type: ignore[type-abstract]


def parse(value: Any) -> StrategyConfig:
    """Return the Config of the strategy that `value` names: name, {name: settings} or {"name": name, **settings}.

    Raises:
      ValueError: there is no such strategy, or it does not take such settings; see choice.py.
    """
    config: StrategyConfig = choice.parse(Strategy, value, DEFAULT.name)
    return config


def choose(config: StrategyConfig, gpus: int, xla: bool = False) -> tuple[StrategyConfig, str]:
    """Return what `config` means on a machine with `gpus` GPUs, and why; "" if there was nothing to choose."""
    config = parse(config)
    return look_up(config.name).choose(config, Machine(gpus, xla))


def gpu_count() -> int:
    """Return the number of GPUs of this machine that TensorFlow can use; make no devices."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def make(config: StrategyConfig) -> tf.distribute.Strategy:
    """Set the process up and make the strategy; call it before TensorFlow has run any op, see OWN_PROCESS.

    Raises:
      ValueError: more is asked for than this machine has.
    """
    chosen, _ = choose(config, gpu_count())
    found = look_up(chosen.name)
    found.set_up(chosen)
    return found.make(chosen)
