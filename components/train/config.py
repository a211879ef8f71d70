"""The `train` section of an experiment."""

from __future__ import annotations

from pydantic import Field

from components.models.learning import LearningConfig
from components.models.strategy import StrategyConfig


class TrainConfig(LearningConfig):
    """How the model learns, and where."""

    loop: str = Field("supervised", description="The name of a file in components/models/loops.")
    strategy: StrategyConfig = StrategyConfig()
