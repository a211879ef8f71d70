"""The last run's statistics: what drift is measured from.

With the same care as the baseline of a model: an identical run finds the same again, and so is all cached.
"""

from __future__ import annotations

import os

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact, BaseChannel, artifact_utils, standard_artifacts

from modelmill.components import mlmd_lineage
from modelmill.components.artifacts import DataVerdict

NODE = "last-statistics"
STATISTICS = "statistics"


class OlderStatistics(ResolverStrategy):
    """Resolves {"statistics": [this run's]} to the last older ones, or to {"statistics": []}.

    They are of the same pipeline, have other inputs or settings than this run's, passed the data gate (else data that
    it refused for its drift would be what the next run is compared with), and their files are still there. Nothing
    newer counts.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """See the class. Anything but one candidate has nothing before it."""
        if len(input_dict[STATISTICS]) != 1:
            return {STATISTICS: []}
        candidate = input_dict[STATISTICS][0]
        recipe = mlmd_lineage.recipe(store, candidate.id)
        passed = _passed_ids(store, candidate.id)
        every = mlmd_lineage.pipeline_artifacts(store, candidate.id, standard_artifacts.ExampleStatistics.TYPE_NAME)
        for found in sorted(every, key=lambda one: one.id, reverse=True):
            known = found.id < candidate.id and found.id in passed and _complete(found)
            if known and mlmd_lineage.recipe(store, found.id) != recipe:
                return {STATISTICS: artifact_utils.deserialize_artifacts(candidate.artifact_type, [found])}
        return {STATISTICS: []}


def statistics_resolver(statistics: BaseChannel) -> tfx.dsl.Resolver:
    """The node `last-statistics`: output `statistics` holds the last run's, or nothing."""
    return tfx.dsl.Resolver(strategy_class=OlderStatistics, **{STATISTICS: statistics}).with_id(NODE)


def _passed_ids(store: MetadataStore, candidate_id: int) -> set[int]:
    """Ids of the statistics that the data gate let pass."""
    verdicts = mlmd_lineage.pipeline_artifacts(store, candidate_id, DataVerdict.TYPE_NAME)
    return {one for verdict in verdicts for one in mlmd_lineage.inputs(store, verdict.id).get(STATISTICS, ())}


def _complete(statistics: mlmd.Artifact) -> bool:
    """Whether the files are still there: people delete old artifacts to save space."""
    return bool(tfx.dsl.io.fileio.exists(os.path.join(statistics.uri, "Split-train", "FeatureStats.pb")))
