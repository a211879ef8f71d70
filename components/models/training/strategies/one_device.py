"""One device of this machine: the first GPU if there is one, else the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.models.training.strategy import Machine, Offer, Strategy, StrategyConfig

if TYPE_CHECKING:
    import tensorflow as tf


class OneDeviceConfig(StrategyConfig):
    """It has no settings."""

    name: Literal["one_device"] = "one_device"


class OneDevice(Strategy[OneDeviceConfig]):
    """TensorFlow's default strategy."""

    Config = OneDeviceConfig
    XLA = True
    OWN_PROCESS = False

    def make(self, config: OneDeviceConfig) -> tf.distribute.Strategy:
        """Return the default strategy, not OneDeviceStrategy.

        With the latter Keras reads the examples through an iterator for several devices, which costs a fifth of a
        second each time.
        """
        import tensorflow as tf

        return tf.distribute.get_strategy()

    def offer(self, machine: Machine) -> Offer:
        """Return that it always does."""
        if machine.xla and machine.gpus > 1:
            return Offer(0, {}, f"xla works on one device only ({machine})")
        return Offer(0, {}, str(machine))
