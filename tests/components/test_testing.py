"""The shipped fixture `run_node`: stock components, functions, classes, Beam, drivers, chains of two."""

# No `from __future__ import annotations`: TFX reads the annotations of @component functions.
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import component_spec, standard_artifacts

from modelmill.components.testing.pytest_plugin import NodeRunner, example_proto

Parameter, Input, Output = (
    tfx.dsl.components.Parameter,
    tfx.dsl.components.InputArtifact,
    tfx.dsl.components.OutputArtifact,
)


@component
def Shout(
    model: Input[standard_artifacts.Model],
    louder: Output[standard_artifacts.Model],
    times: Parameter[int] = 1,
) -> tfx.dsl.components.OutputDict(length=int):
    text = Path(model.uri, "text").read_text().upper() + "!" * times
    Path(louder.uri, "text").write_text(text)
    louder.set_int_custom_property("times", times)
    return {"length": len(text)}


@component(use_beam=True)
def Squares(
    result: Output[standard_artifacts.Model],
    pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    with pipeline as opened:
        squares = opened | beam.Create([1, 2, 3]) | beam.Map(lambda number: number * number)
        squares | beam.io.WriteToText(str(Path(result.uri, "squares")))  # type: ignore[operator]


class CopyExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        Path(self._get_tmp_dir(), "scratch").write_text("")
        Path(output_dict["copy"][0].uri, "text").write_text(f"{exec_properties['prefix']}{input_dict['text'][0].value}")


class CopySpec(component_spec.ComponentSpec):
    PARAMETERS = {"prefix": component_spec.ExecutionParameter(type=str)}
    INPUTS = {"text": component_spec.ChannelParameter(type=standard_artifacts.String)}
    OUTPUTS = {"copy": component_spec.ChannelParameter(type=standard_artifacts.Model)}


class Copy(base_component.BaseComponent):
    SPEC_CLASS = CopySpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(CopyExecutor)

    def __init__(self, text: Any, prefix: Any) -> None:
        super().__init__(CopySpec(text=text, prefix=prefix, copy=types.Channel(type=standard_artifacts.Model)))


def text(artifact: Any) -> str:
    return Path(artifact.uri, "text").read_text()


def test_function_component_and_the_one_behind_it(run_node: NodeRunner) -> None:
    model = run_node.artifact(standard_artifacts.Model, {"text": "hey"})
    first = Shout(model=run_node.channel(model), times=2)
    second = Shout(model=first.outputs["louder"])
    outputs = run_node(first)
    assert text(outputs["louder"][0]) == "HEY!!"
    assert outputs["louder"][0].get_int_custom_property("times") == 2
    assert outputs["length"][0].value == 5
    assert text(run_node(second)["louder"][0]) == "HEY!!!"


def test_class_component_value_artifacts_and_runtime_parameters(run_node: NodeRunner) -> None:
    word = run_node.channel(run_node.artifact(standard_artifacts.String, "word"))
    assert text(run_node(Copy(text=word, prefix="a "))["copy"][0]) == "a word"
    prefix = RuntimeParameter(name="prefix", ptype=str, default="its default ")
    assert text(run_node(Copy(text=word, prefix=prefix))["copy"][0]) == "its default word"
    with pytest.raises(ValueError, match="'prefix' is a RuntimeParameter without a default"):
        run_node(Copy(text=word, prefix=RuntimeParameter(name="prefix", ptype=str)))


def test_beam_function_component(run_node: NodeRunner) -> None:
    (result,) = run_node(Squares())["result"]
    assert [path.read_text() for path in Path(result.uri).glob("squares*")] == ["1\n4\n9\n"]


def test_stock_components_on_beam(run_node: NodeRunner) -> None:
    examples = run_node.examples(train=[{"x": 1.0, "word": "a"}, {"x": 3.0, "word": ["b", "c"]}], eval=[{"x": 5.0}])
    statistics = tfx.components.StatisticsGen(examples=run_node.channel(examples))
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"], exclude_splits=["eval"])
    run_node(statistics)
    (found,) = run_node(schema)["schema"]
    assert 'name: "word"' in Path(found.uri, "schema.pbtxt").read_text()


def test_example_gen_has_its_driver_run(run_node: NodeRunner, tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "rows.csv").write_text("x,y\n" + "".join(f"{row},{row * row}\n" for row in range(20)))
    (examples,) = run_node(tfx.components.CsvExampleGen(input_base=str(tmp_path / "table")))["examples"]
    assert "xor_checksum" in examples.get_string_custom_property("input_fingerprint")
    assert len(list(Path(examples.uri).glob("Split-*/*.gz"))) == 2


def test_what_can_not_be_run_is_told(run_node: NodeRunner) -> None:
    with pytest.raises(TypeError, match="instance of a TFX component"):
        run_node("a string")
    never_run = Shout(model=run_node.channel(run_node.artifact(standard_artifacts.Model)))
    with pytest.raises(ValueError, match="input 'model' has no artifact"):
        run_node(Shout(model=never_run.outputs["louder"]))
    with pytest.raises(FileNotFoundError, match="nothing at"):
        run_node.artifact(standard_artifacts.Model, "/no/such/folder")
    with pytest.raises(TypeError, match="'blessed' must be a str, int or float"):
        run_node.artifact(standard_artifacts.ModelBlessing, blessed=True)


def test_artifacts_are_where_they_are_said_to_be(run_node: NodeRunner, tmp_path: Path) -> None:
    assert run_node.artifact(standard_artifacts.Model, tmp_path).uri == str(tmp_path)
    blessing = run_node.artifact(standard_artifacts.ModelBlessing, blessed=1)
    assert blessing.get_int_custom_property("blessed") == 1
    example = example_proto({"a": "x", "b": [1, 2], "c": [1.5, 2]})
    assert list(example.features.feature["b"].int64_list.value) == [1, 2]
    assert list(example.features.feature["c"].float_list.value) == [1.5, 2]


def test_the_plug_in_costs_pytest_nothing() -> None:
    heavy = (
        "import modelmill.components.testing.pytest_plugin, sys;"
        "print({'tensorflow', 'tfx', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip() == "set()"
