"""How the sections `data` and `split` come to ExampleGen: in its custom_config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    from tfx.proto import example_gen_pb2


def custom_config(data: DataConfig, split: SplitConfig, code: str) -> example_gen_pb2.CustomConfig:
    """Both sections, and the digest of the source that runs, as canonical JSON."""
    from google.protobuf import any_pb2, wrappers_pb2
    from tfx.proto import example_gen_pb2

    # A schema is no matter of reading: to curate one must not read all again.
    content = {
        "data": data.model_dump(mode="json", exclude={"schema_file"}),
        "split": split.model_dump(mode="json"),
        "code": code,
    }
    payload = any_pb2.Any()
    payload.Pack(wrappers_pb2.StringValue(value=json.dumps(content, sort_keys=True)))
    return example_gen_pb2.CustomConfig(custom_config=payload)


def settings(exec_properties: Mapping[str, Any]) -> tuple[DataConfig, SplitConfig]:
    """The sections `data` and `split`, out of ExampleGen's execution properties."""
    from google.protobuf import wrappers_pb2
    from tfx.proto import example_gen_pb2
    from tfx.utils import proto_utils

    custom = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom)
    text = wrappers_pb2.StringValue()
    custom.custom_config.Unpack(text)
    content = json.loads(text.value)
    data = modality.look_up(content["data"]["modality"]).Config.model_validate(content["data"])
    return data, SplitConfig.model_validate(content["split"])
