"""What Kubeflow keeps of a run, and shows on its page: executions and artifacts in ML Metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2


@dataclass(frozen=True)
class Artifact:
    """An artifact, with its own and its type's properties in one mapping."""

    type: str
    uri: str
    metadata: dict[str, Any]


class Lineage:
    """The executions of one run by the names of their tasks."""

    def __init__(self, port: int, run_id: str) -> None:
        config = metadata_store_pb2.MetadataStoreClientConfig(host="127.0.0.1", port=port)
        self._store = metadata_store.MetadataStore(config)
        context = self._store.get_context_by_type_and_name("system.PipelineRun", run_id)
        found = self._store.get_executions_by_context(context.id)
        self.executions = {one.custom_properties["task_name"].string_value: one for one in found}

    def state(self, task: str) -> str:
        """Return the state of a task. That of the whole run is Argo's to know: its execution stays RUNNING."""
        return str(metadata_store_pb2.Execution.State.Name(self.executions[task].last_known_state))

    def outputs(self, task: str) -> dict[str, Artifact]:
        """Return a task's output artifacts by their keys."""
        output = metadata_store_pb2.Event.Type.OUTPUT
        events = self._store.get_events_by_execution_ids([self.executions[task].id])
        keys = {event.artifact_id: event.path.steps[0].key for event in events if event.type == output}
        return {keys[one.id]: _artifact(one) for one in self._store.get_artifacts_by_id(list(keys))}


def _artifact(artifact: Any) -> Artifact:
    values = {**artifact.properties, **artifact.custom_properties}
    metadata = {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}
    return Artifact(artifact.type, re.sub(r"/$", "", artifact.uri), metadata)
