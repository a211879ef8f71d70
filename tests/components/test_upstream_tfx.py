"""TFX: what its public API lacks, and what components/upstream/tfx_internals.py gives instead."""

# No `from __future__ import annotations`: TFX reads the annotations of @component functions.
import argparse
import ast
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from absl import flags
from tfx import v1 as tfx
from tfx.components.pusher import executor as pusher
from tfx.dsl.compiler import compiler
from tfx.dsl.components.base import base_beam_executor
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver
from tfx.types import standard_artifacts

from modelmill.components.testing.pytest_plugin import BEAM
from modelmill.components.upstream import guard, tfx_internals


@tfx.dsl.components.component
def Say(text: tfx.dsl.components.OutputArtifact[standard_artifacts.String]) -> None:
    """Says something."""


@tfx.dsl.components.component
def Hear(text: tfx.dsl.components.Parameter[str], times: tfx.dsl.components.Parameter[int]) -> None:
    """Hears something."""


class Working(base_beam_executor.BaseBeamExecutor):
    """Works on Beam."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        """Does nothing."""


def imported(module: str) -> set[str]:
    """What the source of a module imports; the module itself is not imported."""
    spec = importlib.util.find_spec(module)
    assert spec and spec.origin
    found = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_tfx_imports_its_extensions_and_its_tuner_unasked() -> None:
    """That it works without is tests/pipeline/test_loading.py."""
    assert tfx_internals.EXTENSIONS in imported("tfx.v1")
    assert any(name.split(".")[0] == tfx_internals.TUNER for name in imported("tfx.components.tuner.component"))


def test_an_untested_tfx_is_loaded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, tfx_internals.EXTENSIONS, raising=False)
    monkeypatch.setattr(guard, "installed", lambda distribution: "1.22.0")
    with tfx_internals.lean_import():
        assert tfx_internals.EXTENSIONS not in sys.modules


def test_tfx_parses_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["modelmill", "run", "-v", "experiment.yaml"])
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM))
    with pytest.raises(flags.Error):
        Working(context)
    with tfx_internals.empty_command_line():
        assert Working(context)
    assert sys.argv == ["modelmill", "run", "-v", "experiment.yaml"]


def test_parameters_of_one_node_are_compiled_which_tfx_does_for_whole_pipelines() -> None:
    assert [name for name in vars(compiler.Compiler) if not name.startswith("_")] == ["compile"]
    node = tfx_internals.node_parameters(Hear(text="hello", times=3))
    found = {key: value.field_value for key, value in node.parameters.parameters.items()}
    assert (found["text"].string_value, found["times"].int_value) == ("hello", 3)


def test_an_executor_gives_its_beam_pipeline_by_a_private_name_only() -> None:
    public = [name for name in dir(base_beam_executor.BaseBeamExecutor) if "pipeline" in name and name[0] != "_"]
    assert not public
    made: list[str] = ["a pipeline"]
    context = base_beam_executor.BaseBeamExecutor.Context(make_beam_pipeline_fn=lambda: made)
    assert tfx_internals.beam_pipeline(Working(context)) is made


def test_properties_of_a_push_have_private_names_only() -> None:
    assert not [name for name in dir(pusher) if "pushed" in name.lower() and not name.startswith("_")]
    executor, pushed = pusher.Executor(), standard_artifacts.PushedModel()
    tfx_internals.mark_pushed(executor, pushed, "/somewhere/7", "7")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == "/somewhere/7"
    assert pushed.get_string_custom_property("pushed_version") == "7"
    refused = standard_artifacts.PushedModel()
    tfx_internals.mark_not_pushed(executor, refused)
    assert refused.mlmd_artifact.custom_properties["pushed"].int_value == 0


def test_the_entrypoints_take_parsed_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they do their work is tests/pipeline/test_kubeflow_task.py."""
    assert list(inspect.signature(kubeflow_v2_run_executor.main).parameters) == ["parsed_argv"]
    assert list(inspect.signature(driver.main).parameters) == ["args"]
    called: list[Any] = []
    monkeypatch.setattr(kubeflow_v2_run_executor, "main", called.append)
    monkeypatch.setattr(driver, "main", called.append)
    options = argparse.Namespace()
    tfx_internals.run_executor(options, ["--runner=FnApiRunner"])
    tfx_internals.run_driver(options)
    assert called == [(options, ["--runner=FnApiRunner"]), options]


@pytest.fixture
def spec() -> dict[str, Any]:
    """The PipelineSpec of two nodes, one of which takes its parameter from the other."""
    say = Say().with_id("say")
    hear = Hear(text=say.outputs["text"].future()[0].value, times=1).with_id("hear")
    pipeline = tfx.dsl.Pipeline(pipeline_name="talk", pipeline_root="gs://somewhere/root", components=[say, hear])
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image="image", use_pipeline_spec_2_1=True)
    job = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config).run(pipeline, write_out=False)
    found: dict[str, Any] = job["pipelineSpec"]
    return found


def test_tfx_names_producers_that_there_are_not(spec: dict[str, Any]) -> None:
    def producers() -> set[str]:
        inputs = spec["root"]["dag"]["tasks"]["hear"]["inputs"]
        given = [*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()]
        return {one["producerTask"] for value in given for one in value.values() if "producerTask" in one}

    assert producers() - set(spec["root"]["dag"]["tasks"]) == {"say_task"}, "TFX names those that there are"
    for _ in range(2):
        tfx_internals.mend_producers(spec)
        assert producers() == {"say"}


def test_tfx_names_executors_as_argo_does_not(spec: dict[str, Any]) -> None:
    assert set(spec["deploymentSpec"]["executors"]) == {"say_executor", "hear_executor"}
    tfx_internals.mend_executor_names(spec)
    assert set(spec["deploymentSpec"]["executors"]) == {"exec-say", "exec-hear"}
    assert {one["executorLabel"] for one in spec["components"].values()} == {"exec-say", "exec-hear"}


@pytest.mark.parametrize(
    "use",
    [
        lambda: tfx_internals.node_parameters(None),
        lambda: tfx_internals.beam_pipeline(None),
        lambda: tfx_internals.mark_pushed(None, None, "", ""),
        lambda: tfx_internals.mark_not_pushed(None, None),
        lambda: tfx_internals.run_executor(argparse.Namespace(), []),
        lambda: tfx_internals.run_driver(argparse.Namespace()),
    ],
)
def test_an_untested_tfx_is_refused(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "1.22.0")
    with pytest.raises(guard.UpstreamVersionError, match=r"1\.22\.0.*tfx==1\.21"):
        use()
