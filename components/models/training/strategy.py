"""On which devices a model trains: a tf.distribute strategy, chosen in the experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.data.core.config import Strict

if TYPE_CHECKING:
    import tensorflow as tf


class StrategyConfig(Strict):
    """Where it trains. `mirrored` copies the model to each device of this machine; `auto` chooses and says why."""

    name: Literal["auto", "one_device", "mirrored"] = "auto"
    devices: int | None = Field(
        None, ge=1, description="For mirrored: how many; all GPUs if absent. Without a GPU, logical CPU devices."
    )

    @model_validator(mode="after")
    def _devices(self) -> Self:
        if self.name != "mirrored" and self.devices not in (None, 1):
            raise ValueError(f"{self.name} takes no devices, found devices: {self.devices}; use name: mirrored")
        return self


def choose(config: StrategyConfig, gpus: int, xla: bool = False) -> tuple[StrategyConfig, str]:
    """What `auto` means on a machine with `gpus` GPUs, and why; what is not `auto` stays, and needs no reason."""
    if config.name != "auto":
        return config, ""
    if gpus > 1 and xla:
        return StrategyConfig(name="one_device"), f"xla works on one device only (this machine has {gpus} GPUs)"
    if gpus > 1:
        return StrategyConfig(name="mirrored", devices=gpus), f"this machine has {gpus} GPUs"
    return StrategyConfig(name="one_device"), f"this machine has {'one GPU' if gpus else 'no GPU'}"


def gpu_count() -> int:
    """GPUs of this machine that TensorFlow can use; makes no devices."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def make(config: StrategyConfig) -> tf.distribute.Strategy:
    """The strategy; for `mirrored` it must be called before TensorFlow has made its devices (in a fresh process).

    Raises:
      ValueError: more devices are asked for than this machine has.
    """
    import tensorflow as tf

    config, _ = choose(config, gpu_count())
    gpus = tf.config.list_physical_devices("GPU")
    if config.name == "one_device":
        # TensorFlow's default: the first GPU, if there is one. OneDeviceStrategy would make Keras read the examples
        # through an iterator for several devices, which costs a fifth of a second each time.
        return tf.distribute.get_strategy()
    if gpus:
        count = config.devices or len(gpus)
        if count > len(gpus):
            raise ValueError(f"train.strategy.devices: found {count}, this machine has {len(gpus)} GPUs")
        return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in range(count)])
    count = config.devices or 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    return tf.distribute.MirroredStrategy([f"/cpu:{index}" for index in range(count)])
