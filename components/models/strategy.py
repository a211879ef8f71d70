"""On which devices a model trains: a tf.distribute strategy, chosen in the experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from data.config import Strict

if TYPE_CHECKING:
    import tensorflow as tf


class StrategyConfig(Strict):
    """Where it trains. `mirrored` copies the model to each device of this machine."""

    name: Literal["one_device", "mirrored"] = "one_device"
    devices: int | None = Field(
        None, ge=1, description="For mirrored: how many; all GPUs if absent. Without a GPU, logical CPU devices."
    )

    @model_validator(mode="after")
    def _devices(self) -> Self:
        if self.name == "one_device" and self.devices not in (None, 1):
            raise ValueError(f"one_device has one device, found devices: {self.devices}; use name: mirrored")
        return self


def make(config: StrategyConfig) -> tf.distribute.Strategy:
    """The strategy; for `mirrored` it must be called before TensorFlow has made its devices (in a fresh process).

    Raises:
      ValueError: more devices are asked for than this machine has.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if config.name == "one_device":
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    if gpus:
        count = config.devices or len(gpus)
        if count > len(gpus):
            raise ValueError(f"train.strategy.devices: found {count}, this machine has {len(gpus)} GPUs")
        return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in range(count)])
    count = config.devices or 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    return tf.distribute.MirroredStrategy([f"/cpu:{index}" for index in range(count)])
