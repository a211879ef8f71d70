"""The `train` section of an experiment."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SerializeAsAny, field_serializer, field_validator, model_validator

from modelmill.components.models.training import loop, strategy
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.loop import LoopConfig
from modelmill.components.models.training.strategy import StrategyConfig
from modelmill.data.core import plugins


class TrainConfig(LearningConfig):
    """How the model learns, and where."""

    loop: LoopConfig = Field(
        loop.DEFAULT, description="A file in components/models/training/loops: its name, or {name: {settings}}."
    )
    strategy: SerializeAsAny[StrategyConfig] = Field(
        strategy.DEFAULT,
        description="Where it trains; a file in components/models/training/strategies: its name, or {name: NAME, "
        "settings}. mirrored copies the model to each device of this machine; auto chooses and says why.",
    )

    @field_validator("loop", mode="before")
    @classmethod
    def _loop(cls, value: Any) -> LoopConfig:
        return loop.parse(value)

    @field_serializer("loop")
    def _written(self, config: LoopConfig) -> str | dict[str, Any]:
        return loop.written(config)

    @field_validator("strategy", mode="before")
    @classmethod
    def _strategy(cls, value: Any) -> StrategyConfig:
        return strategy.parse(value)

    @model_validator(mode="after")
    def _compilable(self) -> Self:
        if self.xla and not strategy.look_up(self.strategy.name).XLA:
            raise ValueError("xla works on one device only; give xla: false or strategy: {name: one_device}")
        return self

    def modules(self) -> list[str]:
        """Return the plug-ins that may run, for the digest of the code; a strategy may choose any other one."""
        strategies = (f"{strategy.PACKAGE}.{name}" for name in plugins.names(strategy.PACKAGE))
        return [f"{loop.PACKAGE}.{self.loop.name}", *strategies]
