"""Runs a pipeline on this machine: a loop over TFX's own launcher, one node after the other.

TFX's LocalDagRunner does the same but has no hooks: it tells neither which node is at work nor which was
cached, names runs by itself, and takes a node whose inputs could not be resolved for a finished one.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler_utils, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import (
    execution_publish_utils,
    launcher,
    partial_run_utils,
    runtime_parameter_utils,
    tfx_runner,
)
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2

from modelmill.pipeline.records.node_outcome import Outcome, Output
from modelmill.pipeline.runners.failure import NodeError, NothingToReuseError
from modelmill.pipeline.runners.local import cached_outputs

_SKIP = pipeline_pb2.NodeExecutionOptions.Skip


class LocalRunner(tfx_runner.IrBasedRunner):
    """Runs the nodes in order; `outcomes` holds what became of each, also after an exception.

    Args:
      run_id: names the run in ML Metadata; unique there.
      watch: called with a node's outcome when it starts ("working") and when it has ended.
      tell: called with what a person should know.
    """

    def __init__(
        self, run_id: str, watch: Callable[[Outcome], None], tell: Callable[[str], None] = logging.info
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._run_id = run_id
        self._watch = watch
        self._tell = tell

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None, **_: Any
    ) -> None:
        """Runs the compiled pipeline, or the part that the options name.

        Raises:
          NothingToReuseError: the nodes before that part have never finished.
          Exception: whatever a node raised; NodeError if it failed without raising.
        """
        run_id = {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        runtime_parameter_utils.substitute_runtime_parameter(pipeline, run_id)
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        handle = metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config")))
        with handle:
            _forget_deleted_pushes(handle)
            if run_options:
                self._mark(pipeline, run_options.partial_run, handle)
        nodes = [node.pipeline_node for node in pipeline.nodes]
        self.outcomes = {node.node_info.id: Outcome(node.node_info.id) for node in nodes}
        for node in nodes:
            if node.execution_options.HasField("skip"):
                self._end(self.outcomes[node.node_info.id], "skipped", 0.0)
        try:
            for node in nodes:
                if not node.execution_options.HasField("skip"):
                    self._run_node(pipeline, node, deployment, handle)
        finally:
            with handle:
                self._find_reused(pipeline, handle)

    def _run_node(self, pipeline: Any, node: Any, deployment: Any, handle: metadata.Metadata) -> None:
        outcome = self.outcomes[node.node_info.id]
        outcome.state = "working"
        self._watch(outcome)
        start = time.monotonic()
        try:
            if node.execution_options.run.perform_snapshot:
                with handle:
                    partial_run_utils.snapshot(handle, pipeline)
            with handle:
                self._forget_damaged(pipeline, outcome.id, handle)
            info = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=handle,
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, outcome.id),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, outcome.id),
            ).launch()
            with handle:
                cached = self._read(pipeline, outcome, info and info.execution_id, handle)
        except BaseException as error:
            self._end(outcome, "failed", time.monotonic() - start)
            if not isinstance(error, Exception):
                with handle:
                    self._abandon(pipeline, outcome.id, handle)
            raise
        self._end(outcome, "cached" if cached else "done", time.monotonic() - start)

    def _forget_damaged(self, pipeline: Any, node_id: str, handle: metadata.Metadata) -> None:
        """Delete outputs that have changed since a node made them, so that the cache does not take them."""
        done = [one.id for one in _executions(handle, pipeline, node_id) if execution_lib.is_execution_successful(one)]
        newest = [_outputs(handle, one) for one in sorted(done)[-cached_outputs.NEWEST :]]
        outputs = {output.uri: output for found in newest for part in found.values() for output in part}
        for folder, what in cached_outputs.damaged(outputs.values()).items():
            self._tell(f"{node_id}: damaged since it was made: {what}; it is made again")
            shutil.rmtree(folder)

    def _end(self, outcome: Outcome, state: Any, seconds: float) -> None:
        outcome.state, outcome.seconds = state, round(seconds, 3)
        self._watch(outcome)

    def _read(self, pipeline: Any, outcome: Outcome, execution_id: int | None, handle: Any) -> bool:
        """Takes over a finished execution's outputs; returns whether nothing had to be done."""
        if execution_id is None:
            raise NodeError(f"{outcome.id} was not run: the launcher decided to skip it")
        (execution,) = handle.store.get_executions_by_id([execution_id])
        if not execution_lib.is_execution_successful(execution):
            result = execution_lib.get_execution_result(execution, ignore_parse_errors=True)
            raise NodeError(result.result_message if result else f"{outcome.id}: its inputs could not be found")
        outcome.outputs = _outputs(handle, execution_id)
        if execution.last_known_state == metadata_store_pb2.Execution.CACHED:
            return True
        # A resolver looks up and makes nothing: it counts as cached if it found what it had found before.
        node = next(one.pipeline_node for one in pipeline.nodes if one.pipeline_node.node_info.id == outcome.id)
        if not node.node_info.type.name.endswith(".resolver.Resolver"):
            return False
        executions = _executions(handle, pipeline, outcome.id)
        before = [one.id for one in executions if one.id < execution_id and execution_lib.is_execution_successful(one)]
        return bool(before) and _outputs(handle, max(before)) == outcome.outputs

    def _mark(self, pipeline: Any, part: Any, handle: metadata.Metadata) -> None:
        """Marks what is to be run, and looks for the newest run whose outputs the rest can be taken from."""
        partial_run_utils.mark_pipeline(pipeline, part.from_nodes or None, part.to_nodes or None)
        options = {node.pipeline_node.node_info.id: node.pipeline_node.execution_options for node in pipeline.nodes}
        needed = [name for name, one in options.items() if one.skip.reuse_artifacts_mode == _SKIP.REQUIRED]
        if not needed:
            return
        done: dict[str, set[int]] = {
            name: {one.id for one in _executions(handle, pipeline, name) if execution_lib.is_execution_successful(one)}
            for name in needed
        }
        runs = handle.store.get_contexts_by_type(constants.PIPELINE_RUN_CONTEXT_TYPE_NAME)
        for run in sorted(runs, key=lambda one: one.create_time_since_epoch, reverse=True):
            made = {one.id for one in handle.store.get_executions_by_context(run.id)}
            if all(made & ids for ids in done.values()):
                settings = pipeline.runtime_spec.snapshot_settings
                partial_run_utils.set_base_pipeline_run_strategy(settings, run.name)
                self._tell(f"outputs of {', '.join(needed)} are taken from run {run.name}")
                return
        never = [name for name, ids in done.items() if not ids]
        raise NothingToReuseError(
            f"--from {', '.join(part.from_nodes)}: no earlier run has finished {', '.join(never or needed)}"
            f"{'' if never else ' together'}; run without --from"
        )

    def _find_reused(self, pipeline: Any, handle: metadata.Metadata) -> None:
        """Outputs of the nodes that were skipped, as the snapshot has linked them to this run."""
        run = handle.store.get_context_by_type_and_name(constants.PIPELINE_RUN_CONTEXT_TYPE_NAME, self._run_id)
        if run is None:
            return
        made = {one.id for one in handle.store.get_executions_by_context(run.id)}
        for outcome in self.outcomes.values():
            if outcome.state == "skipped":
                found = [one.id for one in _executions(handle, pipeline, outcome.id) if one.id in made]
                outcome.outputs = _outputs(handle, max(found)) if found else {}

    def _abandon(self, pipeline: Any, node_id: str, handle: metadata.Metadata) -> None:
        """After Ctrl-C, since the launcher cleans up after exceptions only: drops half outputs."""
        for execution in _executions(handle, pipeline, node_id):
            if execution_lib.is_execution_active(execution):
                root = Path(pipeline.runtime_spec.pipeline_root.field_value.string_value) / node_id
                for folder in root.glob(f"*/{execution.id}"):
                    shutil.rmtree(folder, ignore_errors=True)
                contexts = handle.store.get_contexts_by_execution(execution.id)
                execution_publish_utils.publish_failed_execution(handle, contexts, execution.id)


def _executions(handle: metadata.Metadata, pipeline: Any, node_id: str) -> list[Any]:
    """All executions of a node, of all runs."""
    name = compiler_utils.node_context_name(pipeline.pipeline_info.id, node_id)
    context = handle.store.get_context_by_type_and_name(constants.NODE_CONTEXT_TYPE_NAME, name)
    return handle.store.get_executions_by_context(context.id) if context else []


def _outputs(handle: metadata.Metadata, execution_id: int) -> dict[str, list[Output]]:
    """Output artifacts of an execution, cached ones too."""
    return {
        key: [Output(artifact.uri, _properties(artifact)) for artifact in artifacts]
        for key, artifacts in execution_lib.get_output_artifacts(handle, execution_id).items()
    }


def _properties(artifact: Any) -> dict[str, Any]:
    found = artifact.mlmd_artifact.custom_properties
    return {key: getattr(value, value.WhichOneof("value")) for key, value in found.items() if value.WhichOneof("value")}


def _forget_deleted_pushes(handle: metadata.Metadata) -> None:
    """A deleted version is to be pushed again; the cache asks only whether the artifact is there."""
    for artifact in handle.store.get_artifacts_by_type("PushedModel"):
        destination = artifact.custom_properties["pushed_destination"].string_value
        if destination and not Path(destination).exists() and Path(artifact.uri).is_dir():
            shutil.rmtree(artifact.uri)
