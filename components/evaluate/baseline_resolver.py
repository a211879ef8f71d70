"""The baseline of a candidate: the latest blessed model that is older and was made from something else.

TFX's own LatestBlessedModelStrategy gives the latest blessed model whatever it is: in a repeated run that is
the candidate itself, so that an identical run never is all cached.
"""

from __future__ import annotations

import os

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact, BaseChannel, artifact_utils, standard_artifacts

from modelmill.components import artifacts, mlmd_lineage

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
        recipe = mlmd_lineage.recipe(store, candidate.id)
        blessed = _blessed_ids(store, candidate.id)
        for model in sorted(_older_models(store, candidate), key=lambda model: model.id, reverse=True):
            if model.id in blessed and _complete(model) and mlmd_lineage.recipe(store, model.id) != recipe:
                return {MODEL: artifact_utils.deserialize_artifacts(candidate.artifact_type, [model])}
        return {MODEL: []}


def baseline_resolver(candidate_model: BaseChannel) -> tfx.dsl.Resolver:
    """The node `baseline`: output `model` holds the baseline of the candidate, or nothing."""
    return tfx.dsl.Resolver(strategy_class=OlderBlessedModel, **{MODEL: candidate_model}).with_id(NODE)


def _older_models(store: MetadataStore, candidate: Artifact) -> list[mlmd.Artifact]:
    """Models older than the candidate: metadata stores number artifacts in the order of their making."""
    models = mlmd_lineage.pipeline_artifacts(store, candidate.id, standard_artifacts.Model.TYPE_NAME)
    return [model for model in models if model.id < candidate.id]


def _blessed_ids(store: MetadataStore, candidate_id: int) -> set[int]:
    """Ids of what was blessed. Compressed models are among them, but no Model is."""
    blessings = mlmd_lineage.pipeline_artifacts(store, candidate_id, standard_artifacts.ModelBlessing.TYPE_NAME)
    return {
        blessing.custom_properties[constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY].int_value
        for blessing in blessings
        if blessing.custom_properties[constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == constants.BLESSED_VALUE
    }


def _complete(model: mlmd.Artifact) -> bool:
    """Whether the files are still there: people delete old artifacts to save space."""
    return bool(tfx.dsl.io.fileio.exists(os.path.join(artifacts.serving(model.uri), "saved_model.pb")))
