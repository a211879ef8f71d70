"""The baseline strategy against a real metadata store, and inside a real run of TFX's launcher."""

from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.portable import execution_publish_utils
from tfx.orchestration.portable.mlmd import context_lib
from tfx.types import standard_artifacts

from modelmill.components import artifacts
from modelmill.components.evaluate.baseline_resolver import OlderBlessedModel, baseline_resolver


class Store:
    """A metadata store in memory, written by TFX's own publishing functions."""

    def __init__(self, folder):
        self.folder = folder
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.handle = metadata.Metadata(config)
        self.handle.__enter__()
        self.use("pipeline")
        self.schema = self.run("schema", {}, {}, schema=standard_artifacts.Schema)["schema"]

    def use(self, pipeline):
        """Makes what follows a part of that pipeline."""
        self.context = context_lib.register_context_if_not_exists(self.handle, "pipeline", pipeline)

    def run(self, node, inputs, properties, **outputs):
        """Publishes an execution and gives its outputs by key."""
        execution = execution_publish_utils.register_execution(
            self.handle, mlmd.ExecutionType(name=node), [self.context], inputs, properties
        )
        made = {key: [kind()] for key, kind in outputs.items()}
        for key, (one,) in made.items():
            one.uri = str(self.folder / f"{key}-{execution.id}")
        published, _ = execution_publish_utils.publish_succeeded_execution(
            self.handle, execution.id, [self.context], made
        )
        return {key: value for key, (value,) in published.items()}

    def train(self, epochs, schema=None):
        inputs = {"schema": [schema or self.schema]}
        model = self.run("train", inputs, {"epochs": epochs}, model=standard_artifacts.Model)["model"]
        write_model(model)
        return model

    def bless(self, model, blessed=1):
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", blessed)
        blessing.set_int_custom_property("current_model_id", model.id)
        self.run("evaluate", {"model": [model]}, {}, blessing=lambda: blessing)

    def baseline(self, candidate):
        """The id of the candidate's baseline, or None."""
        resolved = OlderBlessedModel().resolve_artifacts(self.handle.store, {"model": [candidate]})
        assert list(resolved) == ["model"]
        assert len(resolved["model"]) <= 1
        return resolved["model"][0].id if resolved["model"] else None


def write_model(model):
    saved = Path(artifacts.serving(model.uri)) / "saved_model.pb"
    saved.parent.mkdir(parents=True)
    saved.touch()


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    yield made
    made.handle.__exit__(None, None, None)


def test_without_another_model_there_is_none(store):
    candidate = store.train(1)
    assert store.baseline(candidate) is None
    store.bless(candidate)
    assert store.baseline(candidate) is None


def test_the_latest_older_blessed_one_is_taken(store):
    first, second = store.train(1), store.train(2)
    store.bless(second)
    store.bless(first)
    unblessed = store.train(3)
    store.bless(unblessed, blessed=0)
    store.train(4)
    candidate = store.train(5)
    assert store.baseline(candidate) == second.id


def test_newer_ones_do_not_count_so_that_a_repeated_run_finds_the_same(store):
    first = store.train(1)
    store.bless(first)
    candidate = store.train(2)
    assert store.baseline(candidate) == first.id
    store.bless(candidate)
    store.bless(store.train(3))
    assert store.baseline(candidate) == first.id
    assert store.baseline(first) is None


def test_one_made_from_the_same_inputs_is_no_baseline(store):
    first, twin = store.train(1), store.train(2)
    store.bless(first)
    store.bless(twin)
    candidate = store.train(2)
    assert store.baseline(candidate) == first.id
    other = store.run("schema", {}, {}, schema=standard_artifacts.Schema)["schema"]
    assert store.baseline(store.train(2, schema=other)) == twin.id


def test_compressed_models_are_never_taken(store):
    model = store.train(1)
    compressed = store.run("compress", {"model": [model]}, {}, compressed=artifacts.CompressedModel)["compressed"]
    store.bless(compressed)
    assert store.baseline(store.train(2)) is None


def test_models_of_other_pipelines_and_deleted_ones_are_not_taken(store):
    store.use("other")
    store.bless(store.train(1))
    store.use("pipeline")
    deleted = store.train(2)
    store.bless(deleted)
    candidate = store.train(3)
    assert store.baseline(candidate) == deleted.id
    (Path(artifacts.serving(deleted.uri)) / "saved_model.pb").unlink()
    assert store.baseline(candidate) is None


@component
def fake_train(epochs: Parameter[int], model: OutputArtifact[standard_artifacts.Model]):
    """Writes something like a model."""
    write_model(model)


@component
def fake_evaluate(
    model: InputArtifact[standard_artifacts.Model],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    baseline_model: InputArtifact[standard_artifacts.Model] = None,
):
    """Blesses, and says what the baseline was."""
    blessing.set_int_custom_property("blessed", 1)
    blessing.set_int_custom_property("current_model_id", model.id)
    blessing.set_int_custom_property("baseline_model_id", baseline_model.id if baseline_model else 0)


def run_pipeline(folder, epochs):
    """Runs train, baseline and evaluate; gives {node: state}, the model's id and its baseline's (0 for none)."""
    train = fake_train(epochs=epochs).with_id("train")
    baseline = baseline_resolver(train.outputs["model"])
    evaluate = fake_evaluate(model=train.outputs["model"], baseline_model=baseline.outputs["model"]).with_id("evaluate")
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline("pipeline", str(folder), connection, [train, baseline, evaluate], enable_cache=True)
    )
    with metadata.Metadata(connection) as handle:
        run = max(handle.store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
        states = {}
        for execution in handle.store.get_executions_by_context(run.id):
            state = mlmd.Execution.State.Name(execution.last_known_state)
            states[handle.store.get_execution_types_by_id([execution.type_id])[0].name.split(".")[-1]] = state
        found = handle.store.get_artifacts_by_context(run.id)
        blessing = next(one for one in found if "baseline_model_id" in one.custom_properties)
        properties = blessing.custom_properties
        return states, properties["current_model_id"].int_value, properties["baseline_model_id"].int_value


def test_in_a_pipeline_an_identical_run_is_all_cached(tmp_path):
    def cached(states):
        return {name for name, state in states.items() if state == "CACHED"}

    states, first, baseline = run_pipeline(tmp_path, epochs=1)
    assert baseline == 0
    assert not cached(states) & {"fake_train", "fake_evaluate"}
    states, model, baseline = run_pipeline(tmp_path, epochs=1)
    assert cached(states) >= {"fake_train", "fake_evaluate"}
    assert (model, baseline) == (first, 0)
    states, second, baseline = run_pipeline(tmp_path, epochs=2)
    assert not cached(states) & {"fake_train", "fake_evaluate"}
    assert baseline == first
    states, model, baseline = run_pipeline(tmp_path, epochs=2)
    assert cached(states) >= {"fake_train", "fake_evaluate"}
    assert (model, baseline) == (second, first)
