"""The `train` section of an experiment."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.strategy import StrategyConfig


class TrainConfig(LearningConfig):
    """How the model learns, and where."""

    loop: str = Field("supervised", description="The name of a file in components/models/training/loops.")
    strategy: StrategyConfig = StrategyConfig()

    @model_validator(mode="after")
    def _compilable(self) -> Self:
        if self.xla and self.strategy.name == "mirrored":
            raise ValueError("xla works on one device only; give xla: false or strategy: {name: one_device}")
        return self
