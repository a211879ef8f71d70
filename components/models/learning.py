"""How a model learns: what every training loop needs to know."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from data.config import Strict


class OptimizerConfig(Strict):
    """The step rule."""

    name: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="Of sgd only.")
    weight_decay: float = Field(1e-2, ge=0, description="Of adamw only.")


class ScheduleConfig(Strict):
    """The learning rate over the training steps: `cosine` falls from the optimizer's rate to zero."""

    name: Literal["constant", "cosine"] = "constant"


class EarlyStoppingConfig(Strict):
    """Stops when the metric on the eval split has not improved for `patience` epochs."""

    patience: int = Field(10, ge=1)


class LearningConfig(Strict):
    """The part of the `train` section that a loop sees."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(32, ge=1, description="Examples a step, over all devices.")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    early_stopping: EarlyStoppingConfig | None = None
