"""How a model learns: what every training loop needs to know."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data.core.config import Strict

BATCH = 32


class OptimizerConfig(Strict):
    """The step rule."""

    name: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, description="At its highest: what the schedule falls from.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of sgd only.")
    weight_decay: float = Field(1e-2, ge=0, description="Of adamw only.")


class ScheduleConfig(Strict):
    """The learning rate over the training: first it may rise, then it stays, falls to zero by a cosine, or by steps."""

    name: Literal["constant", "cosine", "step"] = "constant"
    warmup: float = Field(0, ge=0, description="Epochs in which the rate rises linearly from zero.")
    milestones: tuple[float, ...] = Field((), description="Of step: the epochs after which the rate falls.")
    factor: float = Field(0.1, gt=0, lt=1, description="Of step: what the rate is multiplied by at each of them.")

    @model_validator(mode="after")
    def _milestones(self) -> Self:
        if (self.name == "step") != bool(self.milestones):
            raise ValueError(f"milestones belong to name: step, and step needs them; found {list(self.milestones)}")
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=1) <= 0:
            raise ValueError(f"milestones must rise, and begin after 0; found {list(self.milestones)}")
        if self.milestones and self.milestones[0] < self.warmup:
            raise ValueError(f"the first milestone ({self.milestones[0]:g}) comes before the end of warmup")
        return self


class EarlyStoppingConfig(Strict):
    """Stops when the metric on the eval split has not improved for `patience` epochs."""

    patience: int = Field(10, ge=1)


class LearningConfig(Strict):
    """The part of the `train` section that a loop sees."""

    epochs: int = Field(30, ge=1)
    batch: int | None = Field(None, ge=1, description=f"Examples a step, over all devices; {BATCH} if none is given.")
    batch_per_replica: int | None = Field(None, ge=1, description="Instead of batch: examples a step and device.")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    early_stopping: EarlyStoppingConfig | None = None
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none", description="Weight of each class in the loss: none, balanced (by its share), or label: weight."
    )
    oversample: float = Field(
        0, ge=0, le=1, description="How far an epoch evens out the classes by repeating rare ones; 1: all are equal."
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="In which layers compute while training; weights and what is exported stay float32."
    )
    xla: bool = Field(False, description="Compile steps with XLA: pays on GPUs; on CPUs mind the first epoch.")

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        """One problem instead of one for each alternative."""
        if value not in ("none", "balanced") and not isinstance(value, dict):
            raise ValueError("it should be none, balanced, or a mapping of labels to weights")
        for label, weight in value.items() if isinstance(value, dict) else ():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight > 0:
                raise ValueError(f"the weight of {label} should be a number greater than 0")
        return value

    @model_validator(mode="before")
    @classmethod
    def _one_batch(cls, values: Any) -> Any:
        """Exactly one of the two is given in the end."""
        if not isinstance(values, dict):
            return values
        found = [values.get(key) for key in ("batch", "batch_per_replica")]
        if None not in found:
            raise ValueError(f"give either batch or batch_per_replica, found {found[0]} and {found[1]}")
        return {**values, "batch": BATCH} if found == [None, None] else values

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, last in (("warmup", self.schedule.warmup), ("milestones", max(self.schedule.milestones, default=0))):
            if last >= self.epochs:
                raise ValueError(f"schedule.{name}: found {last:g}, but there are only {self.epochs} epochs")
        return self

    def global_batch(self, replicas: int) -> int:
        """Examples a step over all `replicas` devices."""
        return self.batch if self.batch is not None else (self.batch_per_replica or BATCH) * replicas
