"""What TFX's launcher does for one component, without a metadata store: inputs, properties, driver, executor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.components.upstream import tfx_internals

if TYPE_CHECKING:
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.types import Artifact, BaseChannel


def inputs(component: Any) -> dict[str, list[Artifact]]:
    """The artifacts of the input channels."""
    found = {}
    for key, channel in component.inputs.items():
        found[key] = _artifacts(channel)
        if not found[key] and not component.spec.is_allow_empty_input(key):
            raise ValueError(
                f"{component.id}: input '{key}' has no artifact; make its channel with run_node.channel(...), or run "
                "the component that gives it first"
            )
    return found


def _artifacts(channel: BaseChannel) -> list[Artifact]:
    """What a channel holds; a component that was not run yet may hold artifacts that lie nowhere."""
    from tfx.types import channel_utils

    parts = channel_utils.get_individual_channels(channel)
    return [one for part in parts for one in part.get() if one.uri]


def properties(component: Any, inputs: dict[str, list[Artifact]]) -> dict[str, Any]:
    """The execution properties as an executor sees them: compiled and resolved by TFX, defaults of parameters in."""
    from tfx.dsl.compiler import placeholder_utils
    from tfx.orchestration import data_types_utils
    from tfx.orchestration.portable import data_types, inputs_utils

    node = tfx_internals.node_parameters(component)
    for key, value in node.parameters.parameters.items():
        if value.HasField("runtime_parameter"):
            if not value.runtime_parameter.HasField("default_value"):
                raise ValueError(f"{component.id}: '{key}' is a RuntimeParameter without a default; give a value")
            value.field_value.CopyFrom(value.runtime_parameter.default_value)
    fixed = data_types_utils.build_parsed_value_dict(inputs_utils.resolve_parameters_with_schema(node.parameters))
    context = placeholder_utils.ResolutionContext(exec_info=data_types.ExecutionInfo(input_dict=inputs))
    return {**fixed, **inputs_utils.resolve_dynamic_parameters(node.parameters, context)}


def drive(component: Any, info: ExecutionInfo) -> None:
    """Runs a driver other than the usual one, which only talks to the metadata store; changes `info`."""
    from tfx.orchestration.portable import base_driver

    if not issubclass(component.driver_class, base_driver.BaseDriver):
        return
    driven = component.driver_class(None).run(info)
    for key, value in driven.exec_properties.items():
        info.exec_properties[key] = getattr(value, value.WhichOneof("value"))
    for key, artifacts in driven.output_artifacts.items():
        info.output_dict[key] = [artifact(component.outputs[key].type, proto) for proto in artifacts.artifacts]


def artifact(kind: type[Artifact], proto: Any) -> Artifact:
    """An artifact from what an executor or driver gave back; a value artifact has its value."""
    from tfx.types import ValueArtifact

    made = kind()
    made.set_mlmd_artifact(proto)
    if isinstance(made, ValueArtifact) and Path(made.uri).exists():
        made.read()
    return made


def operator(component: Any, beam: Iterable[str]) -> Any:
    """TFX's own object that makes an executor and calls it."""
    from tfx.dsl.components.base import executor_spec
    from tfx.orchestration.portable import beam_executor_operator, python_executor_operator

    spec = component.executor_spec
    if isinstance(spec, executor_spec.BeamExecutorSpec):
        spec = spec.copy()
        if not spec.beam_pipeline_args:
            spec.add_beam_pipeline_args(beam)
        return beam_executor_operator.BeamExecutorOperator(spec.encode())
    if isinstance(spec, executor_spec.ExecutorClassSpec):
        return python_executor_operator.PythonExecutorOperator(spec.encode())
    raise TypeError(f"{component.id}: run_node runs executors that are Python classes, found {type(spec).__name__}")
