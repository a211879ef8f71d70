"""ExampleGen of modelmill: TFX's file-based one, with an executor that reads any modality."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from modelmill.components.ingest.config import custom_config
from modelmill.components.ingest.driver import Driver
from modelmill.components.ingest.executor import Executor
from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.spec import CONTENT
from modelmill.data.splits import SplitConfig


class ExampleGen(FileBasedExampleGen):
    """TFX's component; ours are the driver, that knows when to read again, and the executor."""

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)


def example_gen(folder: str, data: DataConfig, split: SplitConfig, code: str) -> ExampleGen:
    """Reads `folder` into the splits train, eval and test.

    Args:
      folder: of the data; see data/readers/file_listing.py for what is read of it.
      data: the section of the experiment.
      split: how the splits are made.
      code: digest of the source that runs.
    """
    # Our executor decides on splits by itself. TFX names its output by this, and by the pattern it finds the files
    # whose sizes and times are in the fingerprint, also where (on Kubeflow) our driver is not asked.
    shares = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in split.shares().items()
    ]
    pattern = data.csv or modality.pattern(data)
    if data.csv is None and split.by == "folder":
        pattern = f"*/{pattern}"
    return ExampleGen(
        input_base=folder,
        input_config=tfx.proto.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=pattern)]),
        output_config=tfx.proto.Output(
            split_config=example_gen_pb2.SplitConfig(splits=shares, partition_feature_name=CONTENT)
        ),
        custom_config=custom_config(data, split, code),
    ).with_id("ingest")
