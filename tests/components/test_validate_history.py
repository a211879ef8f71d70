"""The last run's statistics, out of a real metadata store, and inside a real run of TFX's launcher."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from modelmill.components.artifacts import DataVerdict
from modelmill.components.validate.previous_resolver import statistics_resolver


@component
def describe(data: Parameter[int], statistics: OutputArtifact[standard_artifacts.ExampleStatistics]):
    """Writes something like statistics."""
    path = Path(statistics.uri) / "Split-train" / "FeatureStats.pb"
    path.parent.mkdir(parents=True)
    path.touch()


@component
def judge(
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    verdict: OutputArtifact[DataVerdict],
    refuse: Parameter[int],
    last: InputArtifact[standard_artifacts.ExampleStatistics] = None,
):
    """Says what the last ones were."""
    if refuse:
        raise ValueError("refused")
    Path(verdict.uri).mkdir(parents=True, exist_ok=True)
    verdict.set_int_custom_property("statistics", statistics.id)
    verdict.set_int_custom_property("last", last.id if last else 0)


@pytest.fixture
def run(tmp_path):
    """Runs the three nodes; gives the ids of the statistics and of the last ones, and whether judge was cached."""

    def run(data, refuse=0):
        described = describe(data=data)
        last = statistics_resolver(described.outputs["statistics"])
        gate = judge(statistics=described.outputs["statistics"], last=last.outputs["statistics"], refuse=refuse)
        connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
        nodes = [described, last, gate]
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline("pipeline", str(tmp_path), connection, nodes, enable_cache=True)
        )
        with metadata.Metadata(connection) as handle:
            newest = max(handle.store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
            states = [one.last_known_state for one in handle.store.get_executions_by_context(newest.id)]
            (verdict,) = [
                one
                for one in handle.store.get_artifacts_by_context(newest.id)
                if "last" in one.custom_properties  # what no other artifact has
            ]
            told = {name: verdict.custom_properties[name].int_value for name in ("statistics", "last")}
            return SimpleNamespace(**told, cached=states.count(mlmd.Execution.CACHED) == 2)

    return run


def test_drift_is_from_the_last_data_that_passed_and_an_identical_run_is_cached(run):
    first = run(1)
    assert (first.last, first.cached) == (0, False)
    again = run(1)
    assert (again.statistics, again.last, again.cached) == (first.statistics, 0, True)
    with pytest.raises(Exception, match="refused"):
        run(2, refuse=1)
    third = run(3)  # not from what was refused
    assert (third.last, third.cached) == (first.statistics, False)
    again = run(3)
    assert (again.last, again.cached) == (first.statistics, True)
    fourth = run(4)
    assert fourth.last == third.statistics
    back = run(1)  # nothing newer counts
    assert (back.last, back.cached) == (0, True)
