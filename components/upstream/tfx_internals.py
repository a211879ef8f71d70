"""TFX: imports that no local run uses, protected methods of its classes, its entrypoints in a container, its spec."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from modelmill.components.upstream import guard
from modelmill.data.core import gc_tuning

TFX = guard.Library("tfx", "==1.21.*")
# TFX's parts for Google's AI Platform and BigQuery, with their clients. TFX itself does without where it has to.
EXTENSIONS = "tfx.v1.extensions"
# Of TFX's Tuner, which we do not use: it brings Keras 3 besides Keras 2. TFX does without where it is not installed.
TUNER = "keras_tuner"
# What TFX adds to the id of a node for the name of a task that there is not.
TASK_SUFFIX = "_task"


@contextlib.contextmanager
def lean_import() -> Iterator[None]:
    """Let `import tfx.v1` pass over both, within: they take a quarter of its time. Afterwards they can be imported.

    Only the first time in a process: later there may be garbage among what would be kept for good.
    """
    if not guard.applies(TFX, "loading TFX without its extensions and its Tuner", "it takes longer to load"):
        yield
        return
    hidden: dict[str, ModuleType | None] = {EXTENSIONS: ModuleType(EXTENSIONS), TUNER: None}
    hidden = {name: stand_in for name, stand_in in hidden.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        with gc_tuning.settled() if hidden else contextlib.nullcontext():
            yield
    finally:
        for name, stand_in in hidden.items():
            if sys.modules.get(name) is stand_in:
                sys.modules.pop(name, None)


@contextlib.contextmanager
def empty_command_line() -> Iterator[None]:
    """Hide the options of the command line, within: TFX's Beam executors parse sys.argv, and take `-v` for absl's."""
    before = sys.argv
    sys.argv = before[:1]
    try:
        yield
    finally:
        sys.argv = before


def node_parameters(component: Any) -> Any:
    """Return the PipelineNode of a component with nothing but its parameters: TFX compiles whole pipelines only."""
    guard.require(TFX, "compiler._set_node_parameters")
    from tfx.dsl.compiler import compiler
    from tfx.proto.orchestration import pipeline_pb2

    node = pipeline_pb2.PipelineNode()
    compiler._set_node_parameters(node, component)
    return node


def beam_pipeline(executor: Any) -> Any:
    """Return the Beam pipeline of an executor, as TFX's own executors make theirs: there is no public name."""
    guard.require(TFX, "BaseBeamExecutor._make_beam_pipeline")
    return executor._make_beam_pipeline()


def mark_pushed(executor: Any, pushed: Any, destination: str, version: str) -> None:
    """Set the properties of a PushedModel, whose names are private to TFX's Pusher."""
    guard.require(TFX, "Pusher._MarkPushed")
    executor._MarkPushed(pushed, pushed_destination=destination, pushed_version=version)


def mark_not_pushed(executor: Any, pushed: Any) -> None:
    """Set the property of a PushedModel that says that nothing was pushed."""
    guard.require(TFX, "Pusher._MarkNotPushed")
    executor._MarkNotPushed(pushed)


def run_executor(options: argparse.Namespace, beam: list[str]) -> None:
    """Run the executor in a container as TFX's entrypoint does, which is made to be a process of its own.

    Args:
      options: executor_class_path, json_serialized_invocation_args, json_serialized_inputs_spec_args.
      beam: options of Beam.
    """
    guard.require(TFX, "kubeflow_v2_run_executor.main")
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    kubeflow_v2_run_executor.main((options, beam))


def run_driver(options: argparse.Namespace) -> None:
    """Run ExampleGen's driver in a container as TFX's entrypoint for it does; the options are those of run_executor."""
    guard.require(TFX, "file_based_example_gen.driver.main")
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

    driver.main(options)


def mend_producers(spec: dict[str, Any]) -> None:
    """Correct the producers of dynamic properties in a pipeline spec: TFX names `ID_task`, which no task is called."""
    tasks = spec["root"]["dag"]["tasks"]
    for task in tasks.values():
        for given in task.get("inputs", {}).get("parameters", {}).values():
            source = given.get("taskOutputParameter")
            if source and source["producerTask"] not in tasks:
                source["producerTask"] = source["producerTask"].removesuffix(TASK_SUFFIX)


def mend_executor_names(spec: dict[str, Any]) -> None:
    """Rename `train_executor` to `exec-train`, as kfp's own compiler does: names in Argo have no underscores."""
    executors = spec["deploymentSpec"]["executors"]
    for node, component in spec["components"].items():
        if "executorLabel" in component:
            executors[f"exec-{node}"] = executors.pop(component["executorLabel"])
            component["executorLabel"] = f"exec-{node}"
