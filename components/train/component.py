"""TFX's Trainer, with a run function by import path."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.types import BaseChannel

from modelmill.components.models.family import FamilyConfig
from modelmill.components.train.config import TrainConfig
from modelmill.data.config import DataConfig
from modelmill.data.policy import Policy


def trainer(
    examples: BaseChannel,
    transform_graph: BaseChannel,
    schema: BaseChannel,
    *,
    data: DataConfig,
    augment: Policy,
    model: FamilyConfig,
    train: TrainConfig,
    seed: int,
    checkpoints: str,
    code: str,
) -> tfx.components.Trainer:
    """Trains on the train split, augmented, and is judged on the eval split.

    Args:
      examples: Transform's.
      transform_graph: Transform's; becomes a part of the served model.
      schema: of the raw examples.
      data: and the next three: sections of the experiment.
      augment: the policy.
      model: the family's Config.
      train: how it learns, and where.
      seed: of everything random.
      checkpoints: a folder outside all artifacts: TFX deletes those of a node that fails.
      code: digest of the source that runs.
    """
    return tfx.components.Trainer(
        run_fn="modelmill.components.train.executor.run_fn",
        examples=examples,
        transform_graph=transform_graph,
        schema=schema,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "data": data.canonical(),
            "augment": augment.canonical(),
            "model": model.canonical(),
            "train": train.canonical(),
            "seed": seed,
            "checkpoints": checkpoints,
            "code": code,
        },
    ).with_id("train")
