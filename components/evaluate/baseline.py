"""The baseline of a candidate: the latest blessed model that is older and was made from something else.

TFX's own LatestBlessedModelStrategy gives the latest blessed model whatever it is: in a repeated run that is
the candidate itself, so that an identical run never is all cached.
"""

from __future__ import annotations

import os
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.orchestration.portable.mlmd import event_lib, execution_lib
from tfx.types import Artifact, BaseChannel, artifact_utils, standard_artifacts

from components import artifacts

NODE = "baseline"
MODEL = "model"


class OlderBlessedModel(ResolverStrategy):
    """Resolves {"model": [candidate]} to {"model": [baseline]}, or to {"model": []} if there is none.

    A baseline is a Model of the candidate's pipeline that is older than the candidate, that an Evaluator has
    blessed (a ModelBlessing names it), whose files are still there, and whose producing execution did not
    have the candidate's inputs and execution properties. The latest is taken. But for a late blessing of an
    older model nothing newer than the candidate counts, so that an identical run stays cached.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """See the class. Anything but one candidate has no baseline."""
        if len(input_dict[MODEL]) != 1:
            return {MODEL: []}
        candidate = input_dict[MODEL][0]
        recipe = _recipe(store, candidate.id)
        blessed = _blessed_ids(store, candidate.id)
        for model in sorted(_older_models(store, candidate), key=lambda model: model.id, reverse=True):
            if model.id in blessed and _complete(model) and _recipe(store, model.id) != recipe:
                return {MODEL: artifact_utils.deserialize_artifacts(candidate.artifact_type, [model])}
        return {MODEL: []}


def baseline_resolver(candidate_model: BaseChannel) -> tfx.dsl.Resolver:
    """The node `baseline`: output `model` holds the baseline of the candidate, or nothing."""
    return tfx.dsl.Resolver(strategy_class=OlderBlessedModel, **{MODEL: candidate_model}).with_id(NODE)


def _pipeline_artifacts(store: MetadataStore, candidate_id: int, type_name: str) -> list[mlmd.Artifact]:
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


def _older_models(store: MetadataStore, candidate: Artifact) -> list[mlmd.Artifact]:
    """Models older than the candidate: metadata stores number artifacts in the order of their making."""
    models = _pipeline_artifacts(store, candidate.id, standard_artifacts.Model.TYPE_NAME)
    return [model for model in models if model.id < candidate.id]


def _blessed_ids(store: MetadataStore, candidate_id: int) -> set[int]:
    """Ids of what was blessed. Compressed models are among them, but no Model is."""
    blessings = _pipeline_artifacts(store, candidate_id, standard_artifacts.ModelBlessing.TYPE_NAME)
    return {
        blessing.custom_properties[constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY].int_value
        for blessing in blessings
        if blessing.custom_properties[constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == constants.BLESSED_VALUE
    }


def _complete(model: mlmd.Artifact) -> bool:
    """Whether the files are still there: people delete old artifacts to save space."""
    return bool(tfx.dsl.io.fileio.exists(os.path.join(artifacts.serving(model.uri), "saved_model.pb")))


def _recipe(store: MetadataStore, model_id: int) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """What a model was made from: input artifacts and execution properties of the execution that made it.

    Executions that found it in the cache had the same; the first one is taken.
    """
    events = store.get_events_by_artifact_ids([model_id])
    producer = min(event.execution_id for event in events if event.type == mlmd.Event.OUTPUT)
    (execution,) = store.get_executions_by_id([producer])
    inputs = [event for event in store.get_events_by_execution_ids([producer]) if event_lib.is_valid_input_event(event)]
    properties = {
        key: value.SerializeToString(deterministic=True)
        for key, value in [*execution.properties.items(), *execution.custom_properties.items()]
        if not execution_lib.is_internal_key(key)
    }
    return event_lib.reconstruct_artifact_id_multimap(inputs), properties
