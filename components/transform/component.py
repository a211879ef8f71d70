"""TFX's Transform, analysing the train split alone."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.types import BaseChannel

from modelmill.data.config import DataConfig


def transform(examples: BaseChannel, schema: BaseChannel, data: DataConfig, code: str) -> tfx.components.Transform:
    """Preprocesses every split by the modality's function.

    TFX's own statistics before and after are off: they would count encoded images as words, and StatisticsGen has
    told of the raw ones.
    """
    return tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="modelmill.components.transform.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval", "test"]),
        custom_config={"data": data.canonical(), "code": code},
        disable_statistics=True,
        disable_analyzer_cache=True,
    ).with_id("transform")
