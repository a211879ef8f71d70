"""A copy of the model on each of several devices of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelmill.components.models.training.strategy import Machine, Offer, Strategy, StrategyConfig, gpu_count

if TYPE_CHECKING:
    import tensorflow as tf


class MirroredConfig(StrategyConfig):
    """How many devices."""

    name: Literal["mirrored"] = "mirrored"
    devices: int | None = Field(
        None, ge=1, description="How many; all GPUs if absent. Without a GPU, logical CPU devices."
    )


class Mirrored(Strategy[MirroredConfig]):
    """tf.distribute.MirroredStrategy: the replicas share each batch and add up their gradients."""

    Config = MirroredConfig

    def set_up(self, config: MirroredConfig) -> None:
        """Make logical CPU devices if there is no GPU, else count the GPUs."""
        import tensorflow as tf

        gpus = gpu_count()
        if not gpus:
            cpu = tf.config.list_physical_devices("CPU")[0]
            devices = [tf.config.LogicalDeviceConfiguration()] * (config.devices or 1)
            tf.config.set_logical_device_configuration(cpu, devices)
        elif config.devices and config.devices > gpus:
            raise ValueError(f"train.strategy.devices: found {config.devices}, this machine has {gpus} GPUs")

    def make(self, config: MirroredConfig) -> tf.distribute.Strategy:
        """Make it on the first devices."""
        import tensorflow as tf

        gpus = gpu_count()
        kind, count = ("gpu", config.devices or gpus) if gpus else ("cpu", config.devices or 1)
        return tf.distribute.MirroredStrategy([f"/{kind}:{index}" for index in range(count)])

    def offer(self, machine: Machine) -> Offer | None:
        """Return that it uses all GPUs, if there are several and XLA is not wanted."""
        return Offer(1, {"devices": machine.gpus}, str(machine)) if machine.gpus > 1 and not machine.xla else None
