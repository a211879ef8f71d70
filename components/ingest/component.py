"""ExampleGen of modelmill: TFX's file-based one, with an executor that reads any modality."""

from __future__ import annotations

import json

from google.protobuf import any_pb2, wrappers_pb2
from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.ingest.executor import Executor
from data import modality
from data.config import DataConfig, SplitConfig


def example_gen(folder: str, data: DataConfig, split: SplitConfig, code: str) -> FileBasedExampleGen:
    """Reads `folder` into the splits train, eval and test, by hash of content.

    Args:
      folder: of the data; files are found by the modality's pattern.
      data: the section of the experiment.
      split: shares of the splits.
      code: digest of the source that runs.
    """
    payload = any_pb2.Any()
    payload.Pack(
        wrappers_pb2.StringValue(value=json.dumps({"data": data.model_dump(mode="json"), "code": code}, sort_keys=True))
    )
    shares = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets)
        for name, buckets in split.model_dump().items()
    ]
    pattern = modality.look_up(data.modality).PATTERN
    return FileBasedExampleGen(
        input_base=folder,
        input_config=tfx.proto.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=pattern)]),
        output_config=tfx.proto.Output(
            split_config=example_gen_pb2.SplitConfig(splits=shares, partition_feature_name=modality.CONTENT)
        ),
        custom_config=example_gen_pb2.CustomConfig(custom_config=payload),
        custom_executor_spec=executor_spec.BeamExecutorSpec(Executor),
    ).with_id("ingest")
