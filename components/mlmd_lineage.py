"""What resolvers ask of the metadata store: which artifacts there are, and what one was made from."""

from __future__ import annotations

from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.portable.mlmd import event_lib, execution_lib


def pipeline_artifacts(store: MetadataStore, candidate_id: int, type_name: str) -> list[mlmd.Artifact]:
    """The live artifacts of a type in the candidate's pipeline."""
    types = {found.name: found.id for found in store.get_artifact_types()}
    by_id = {
        found.id: found
        for context in store.get_contexts_by_artifact(candidate_id)
        if context.type == "pipeline"
        for found in store.get_artifacts_by_context(context.id)
    }
    return [
        found for found in by_id.values() if found.type_id == types.get(type_name) and found.state == mlmd.Artifact.LIVE
    ]


def recipe(store: MetadataStore, artifact_id: int) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """What an artifact was made from: input artifacts and execution properties of the execution that made it.

    Executions that found it in the cache had the same; the first one is taken.
    """
    events = store.get_events_by_artifact_ids([artifact_id])
    producer = min(event.execution_id for event in events if event.type == mlmd.Event.OUTPUT)
    (execution,) = store.get_executions_by_id([producer])
    properties = {
        key: value.SerializeToString(deterministic=True)
        for key, value in [*execution.properties.items(), *execution.custom_properties.items()]
        if not execution_lib.is_internal_key(key)
    }
    return _inputs(store, producer), properties


def inputs(store: MetadataStore, artifact_id: int) -> dict[str, tuple[int, ...]]:
    """The ids of the artifacts that an artifact was made from, by input key."""
    return recipe(store, artifact_id)[0]


def _inputs(store: MetadataStore, execution_id: int) -> dict[str, tuple[int, ...]]:
    events = store.get_events_by_execution_ids([execution_id])
    read = [event for event in events if event_lib.is_valid_input_event(event)]
    return event_lib.reconstruct_artifact_id_multimap(read)
