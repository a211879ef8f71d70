"""Make small artifacts and run one TFX component on them; pytest_plugin.py has the fixture that gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.components.beam_runners import LOCAL_BEAM
from modelmill.components.testing import launcher
from modelmill.components.upstream import tfx_internals

if TYPE_CHECKING:
    import tensorflow as tf
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.types import Artifact, Channel

Feature = bytes | str | int | float | list[bytes] | list[str] | list[int] | list[float]


class NodeRunner:
    """Makes artifacts, and runs components on them; everything lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __call__(self, component: Any, beam: Iterable[str] = LOCAL_BEAM) -> dict[str, list[Artifact]]:
        """Runs one component and gives back its output artifacts by output key.

        They are also set in the component's output channels, so that a component built with `component.outputs[...]`
        can be run next.

        Args:
          component: an instance; its input channels come from `channel` or from a component that was run before.
          beam: Beam pipeline options, if the component uses Beam.

        Raises:
          TypeError: it is no component, or its executor is a container.
          ValueError: a required input has no artifact.
          And whatever the executor raises.
        """
        from tfx.dsl.components.base import base_component
        from tfx.orchestration.portable import outputs_utils

        if not isinstance(component, base_component.BaseComponent):
            raise TypeError(f"run_node takes an instance of a TFX component, found {component!r}")
        info = self._execution(component)
        launcher.drive(component, info)
        outputs_utils.make_output_dirs(info.output_dict)
        with tfx_internals.empty_command_line():
            result = launcher.operator(component, beam).run_executor(info)
        outputs = {}
        for key, before in info.output_dict.items():
            protos = [artifact.mlmd_artifact for artifact in before]
            if key in result.output_artifacts:
                protos = result.output_artifacts[key].artifacts
            outputs[key] = [launcher.artifact(component.outputs[key].type, proto) for proto in protos]
            component.outputs[key].set_artifacts(outputs[key])
        return outputs

    def artifact(self, type: type[Artifact], source: Any = None, **custom_properties: str | int | float) -> Artifact:
        """An input artifact.

        Args:
          type: such as tfx.types.standard_artifacts.Model.
          source: a folder, used where it lies; or files to be written, {"sub/name": str or bytes}; or nothing, for an
            empty folder; for a value artifact (String, Integer, ...) its value.
          **custom_properties: such as blessed=1.
        """
        from tfx.types import ValueArtifact

        artifact = type()
        if isinstance(artifact, ValueArtifact):
            artifact.uri = str(self._new_folder(type.TYPE_NAME) / "value")
            artifact.value = source
        elif isinstance(source, (str, Path)):
            if not Path(source).exists():
                raise FileNotFoundError(f"artifact of type {type.TYPE_NAME}: there is nothing at {source}")
            artifact.uri = str(source)
        else:
            folder = self._new_folder(type.TYPE_NAME)
            artifact.uri = str(folder)
            for name, content in (source or {}).items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        for key, value in custom_properties.items():
            _set_custom_property(artifact, key, value)
        return artifact

    def examples(self, **splits: Iterable[Mapping[str, Feature]]) -> Artifact:
        """An Examples artifact as ExampleGen writes it (gzip TFRecords of tf.Examples), by split."""
        import tensorflow as tf
        from tfx.components.util import examples_utils
        from tfx.proto import example_gen_pb2
        from tfx.types import artifact_utils, standard_artifacts

        artifact = self.artifact(standard_artifacts.Examples)
        artifact.split_names = artifact_utils.encode_split_names(list(splits))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        for split, examples in splits.items():
            folder = Path(artifact_utils.get_split_uri([artifact], split))
            folder.mkdir()
            path = str(folder / "data_tfrecord-00000-of-00001.gz")
            with tf.io.TFRecordWriter(path, options="GZIP") as writer:
                for example in examples:
                    writer.write(example_proto(example).SerializeToString())
        return artifact

    def channel(self, artifacts: Artifact | Iterable[Artifact]) -> Channel:
        """A channel that holds these artifacts, to build a component with."""
        from tfx.types import Artifact, channel_utils

        return channel_utils.as_channel([artifacts] if isinstance(artifacts, Artifact) else list(artifacts))

    def _new_folder(self, name: str) -> Path:
        self._count += 1
        folder = self._folder / f"{self._count:03d}-{name}"
        folder.mkdir(parents=True)
        return folder

    def _execution(self, component: Any) -> ExecutionInfo:
        """What TFX's launcher hands to an executor."""
        from tfx.orchestration.portable import data_types
        from tfx.proto.orchestration import pipeline_pb2

        folder = self._new_folder(component.id)
        for name in ("temporary", "stateful", "system"):
            (folder / f".{name}").mkdir()
        inputs = launcher.inputs(component)
        return data_types.ExecutionInfo(
            execution_id=self._count,
            input_dict=inputs,
            output_dict={key: [_output(channel, folder / key)] for key, channel in component.outputs.items()},
            exec_properties=launcher.properties(component, inputs),
            execution_output_uri=str(folder / ".system" / "executor_output.pb"),
            stateful_working_dir=str(folder / ".stateful"),
            tmp_dir=str(folder / ".temporary"),
            pipeline_info=pipeline_pb2.PipelineInfo(id="run-node"),
            pipeline_run_id="run-node",
        )


def example_proto(features: Mapping[str, Feature]) -> tf.train.Example:
    """A tf.Example of plain values: bytes and str, int, float, or lists of them."""
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if all(isinstance(one, (bytes, str)) for one in values):
            feature.bytes_list.value.extend(one.encode() if isinstance(one, str) else one for one in values)
        elif all(isinstance(one, int) for one in values):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return example


def _output(channel: Any, folder: Path) -> Artifact:
    """An output artifact, still empty."""
    from tfx.types import ValueArtifact

    artifact = channel.type()
    artifact.uri = str(folder / "value" if isinstance(artifact, ValueArtifact) else folder)
    for key, value in channel.additional_properties.items():
        setattr(artifact, key, value)
    for key, value in channel.additional_custom_properties.items():
        _set_custom_property(artifact, key, value)
    return artifact


def _set_custom_property(artifact: Artifact, key: str, value: Any) -> None:
    setters = {str: "string", int: "int", float: "float"}
    if type(value) not in setters:
        raise TypeError(f"custom property '{key}' must be a str, int or float, found {value!r}")
    getattr(artifact, f"set_{setters[type(value)]}_custom_property")(key, value)
