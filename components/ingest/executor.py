"""Files of a data folder to raw tf.Examples, on Beam; what makes an example of a file is the modality's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.io import fileio
from google.protobuf import wrappers_pb2
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from data import modality
from data.config import DataConfig
from data.modality import BadExampleError

NAMED = 10


class Executor(BaseExampleGenExecutor):
    """TFX's machinery of spans, splits and writing, with a reader for any modality."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        """The reader, as TFX asks for it."""
        return _read


@beam.ptransform_fn
def _read(pipeline: beam.Pipeline, exec_properties: dict[str, Any], split_pattern: str) -> beam.PCollection:
    """Pipeline to tf.train.Examples; stops, naming the first files, if some hold no example."""
    config = data_config(exec_properties)
    base = exec_properties["input_base"]
    found = (
        pipeline
        | "Match" >> fileio.MatchFiles(os.path.join(base, split_pattern))
        | "Read" >> fileio.ReadMatches()
        | "Parse" >> beam.ParDo(_Parse(config, base)).with_outputs("bad", main="good")
    )
    # The check feeds the examples' side input, so that nothing is written before every file was read.
    checked = found.bad | "Gather" >> beam.combiners.ToList() | "Check" >> beam.Map(_refuse_bad)
    return found.good | "AllGood" >> beam.Map(lambda example, _: example, beam.pvalue.AsSingleton(checked))


class _Parse(beam.DoFn):
    """One file to its examples, or to a line about what is wrong with it."""

    def __init__(self, config: DataConfig, base: str) -> None:
        self._config, self._base = config, base

    def process(self, file: fileio.ReadableFile) -> Iterator[Any]:
        path = os.path.relpath(file.metadata.path, self._base)
        if os.path.basename(path).startswith("."):
            return
        kind = modality.look_up(self._config.modality)
        try:
            for features in kind.examples(path, file.read(), self._config):
                yield to_example(features)
        except BadExampleError as error:
            yield beam.pvalue.TaggedOutput("bad", str(error))
        except OSError as error:
            yield beam.pvalue.TaggedOutput("bad", f"{path}: can't be read ({error.strerror})")


def to_example(features: Mapping[str, bytes | str | int | float]) -> tf.train.Example:
    """Features of one value each to a tf.train.Example."""
    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, (bytes, str)):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.append(value)
    return example


def _refuse_bad(bad: list[str]) -> bool:
    if bad:
        shown = "\n".join(f"  {line}" for line in sorted(bad)[:NAMED])
        more = f"\n  and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise BadExampleError(f"{len(bad)} files hold no example; mend or remove them:\n{shown}{more}")
    return True


def data_config(exec_properties: Mapping[str, Any]) -> DataConfig:
    """The `data` section, out of ExampleGen's custom_config."""
    custom = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom)
    text = wrappers_pb2.StringValue()
    custom.custom_config.Unpack(text)
    content = json.loads(text.value)["data"]
    return modality.look_up(content["modality"]).Config.model_validate(content)
