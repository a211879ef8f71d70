"""What our entrypoint does around TFX's: JSON in, JSON out, and what ends it early."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelmill.components.evaluate import baseline_lookup
from modelmill.components.validate import previous_lookup as history
from modelmill.data.core import files
from modelmill.pipeline.runners.kubeflow import mounts, task_outcome
from modelmill.pipeline.runners.kubeflow.compile import parameters
from modelmill.pipeline.runners.kubeflow.container import executor_io, markers
from modelmill.pipeline.runners.kubeflow.emulator import launcher
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import look_up

KUBEFLOW = look_up("kubeflow")
SPEC = {
    "artifacts": {
        "model": {"artifactType": {"instanceSchema": "title: modelmill.CompressedModel\ntype: object\n"}},
        "baseline_model": {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}},
    }
}


def executor_input(**metadata: Any) -> dict[str, Any]:
    """As open-source KFP hands it over."""
    return {
        "inputs": {
            "parameterValues": {"destination": "gs://bucket/pushed"},
            "artifacts": {
                "model": {"artifacts": [{"uri": "minio://b/k/model", "type": {"instanceSchema": ""}}]},
                "baseline_model": {"artifacts": [{"name": "7", "uri": "s3://b/k/old", "metadata": metadata}]},
            },
        },
        "outputs": {
            "artifacts": {
                "out": {"artifacts": [{"uri": "gs://b/k/out", "type": {"schemaTitle": "tfx.Model"}}]},
            },
            "outputFile": "/tmp/kfp_outputs/output_metadata.json",
        },
    }


def test_inputs_get_their_types_names_and_local_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mounts.ENV, raising=False)
    given = executor_input(found=1.0, blessed={"struct": {"train": 1.0}})
    executor_io.mend_input(given, SPEC, keep_gs=False)
    model = given["inputs"]["artifacts"]["model"]["artifacts"][0]
    assert model["type"] == {"instanceSchema": "title: modelmill.CompressedModel\ntype: object\n"}
    assert model["name"] == "minio://b/k/model"
    assert model["uri"] == "/minio/b/k/model"
    old = given["inputs"]["artifacts"]["baseline_model"]["artifacts"][0]
    assert (old["name"], old["uri"], old["metadata"]["blessed"]) == ("7", "/s3/b/k/old", {"train": 1.0})
    assert given["outputs"]["artifacts"]["out"]["artifacts"][0]["uri"] == "/gcs/b/k/out"
    assert given["inputs"]["parameterValues"] == {"destination": "gs://bucket/pushed"}
    monkeypatch.setenv(mounts.ENV, "/pod")
    given["inputs"]["parameterValues"] = {"checkpoints": "/gcs/bucket/checkpoints", "destination": "/mnt/pushed"}
    executor_io.mend_input(given, SPEC, keep_gs=False)
    assert given["inputs"]["parameterValues"] == {
        "checkpoints": "/pod/gcs/bucket/checkpoints",
        "destination": "/mnt/pushed",
    }


@pytest.mark.parametrize("given_type", [launcher.UNTYPED, launcher.GENERIC, {"schemaTitle": "tfx.Model"}, None])
def test_the_declared_type_of_an_input_wins(given_type: dict[str, str] | None) -> None:
    given = executor_input()
    given["inputs"]["artifacts"]["model"]["artifacts"][0]["type"] = given_type
    executor_io.mend_input(given, SPEC, keep_gs=False)
    types = {key: content["artifacts"][0]["type"] for key, content in given["inputs"]["artifacts"].items()}
    assert types["model"] == SPEC["artifacts"]["model"]["artifactType"]
    assert types["baseline_model"] == SPEC["artifacts"]["baseline_model"]["artifactType"]


def test_outputs_that_the_component_does_not_declare_are_removed(caplog: pytest.LogCaptureFixture) -> None:
    given = executor_input()
    logs = {"uri": "minio://b/k/executor-logs", "type": {"schemaTitle": "system.Artifact"}}
    given["outputs"]["artifacts"]["executor-logs"] = {"artifacts": [logs]}
    with caplog.at_level("INFO"):
        executor_io.mend_input(given, SPEC, keep_gs=False, declared_outputs=["out"])
    assert set(given["outputs"]["artifacts"]) == {"out"}
    assert executor_io.output_folders(given) == ["/gcs/b/k/out"], "no folder in the place of the launcher's log"
    assert "executor-logs" in caplog.text, "what is left out is told"


def little_spec() -> dict[str, Any]:
    """A compiled pipeline of two tasks: `first` gives a model, `second` takes it."""

    def of_type(title: str) -> dict[str, Any]:
        return {"artifactType": {"instanceSchema": f"title: {title}\ntype: object\n"}}

    models = {"model": of_type("modelmill.CompressedModel")}
    source = {"taskOutputArtifact": {"producerTask": "first", "outputArtifactKey": "model"}}
    container = {"command": ["python"], "args": ["-c", "pass"]}
    return {
        "pipelineInfo": {"name": "little"},
        "defaultPipelineRoot": "minio://mlpipeline/v2/artifacts",
        "deploymentSpec": {"executors": {f"exec-{task}": {"container": container} for task in ("first", "second")}},
        "components": {
            "first": {"executorLabel": "exec-first", "outputDefinitions": {"artifacts": models}},
            "second": {
                "executorLabel": "exec-second",
                "inputDefinitions": {"artifacts": models},
                "outputDefinitions": {"artifacts": {"blessing": of_type("tfx.ModelBlessing")}},
            },
        },
        "root": {
            "dag": {
                "tasks": {
                    "first": {"inputs": {}},
                    "second": {"inputs": {"artifacts": {"model": source}}, "dependentTasks": ["first"]},
                }
            }
        },
    }


@pytest.mark.parametrize("input_type", [launcher.UNTYPED, launcher.GENERIC], ids=["kfp", "kfp.local"])
def test_tfx_can_import_every_type_that_a_launcher_hands_over(input_type: dict[str, str], tmp_path: Path) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_entrypoint

    spec, types = little_spec(), {}

    def execute(name: str, words: list[str], given: dict[str, Any], env: dict[str, str], log: Path) -> None:
        """What the entrypoint does around an executor, with an input of its own as in a process of its own."""
        given = copy.deepcopy(given)
        raw = {key: content["artifacts"][0]["type"] for key, content in given["outputs"]["artifacts"].items()}
        assert raw["executor-logs"] == launcher.GENERIC, "as KFP's driver adds it"
        component = spec["components"][name]
        outputs = component["outputDefinitions"]["artifacts"]
        executor_io.mend_input(given, component.get("inputDefinitions", {}), False, list(outputs))
        for folder in executor_io.output_folders(given):
            (tmp_path / "pods/run-1" / name / folder.lstrip("/")).mkdir()
        message = json_format.ParseDict(given, pipeline_spec_pb2.ExecutorInput(), ignore_unknown_fields=True)
        for side in (message.inputs.artifacts, message.outputs.artifacts):
            for key, (artifact,) in tfx_entrypoint.parse_raw_artifact_dict(side).items():
                types[name, key] = artifact.type_name
        said = {"artifacts": {key: {"artifacts": [{"metadata": {}}]} for key in outputs}}
        (tmp_path / "pods/run-1" / name / given["outputs"]["outputFile"].lstrip("/")).write_text(json.dumps(said))

    runs = launcher.LocalLauncher(spec, KUBEFLOW, tmp_path, execute=execute, input_type=input_type)
    tasks = runs.run("run-1")
    assert types["second", "model"] == types["first", "model"] == "modelmill.CompressedModel"
    assert types["second", "blessing"] == "ModelBlessing"
    assert set(tasks["first"].outputs) == {"model"}, "the log is no output that another task could take"


def test_a_look_up_that_found_nothing_is_no_input() -> None:
    given = executor_input(found=0.0)
    executor_io.mend_input(given, SPEC, keep_gs=False)
    assert "baseline_model" not in given["inputs"]["artifacts"]


def test_remote_beam_workers_get_cloud_storage_as_it_is() -> None:
    given = executor_input()
    executor_io.mend_input(given, SPEC, keep_gs=True)
    assert given["outputs"]["artifacts"]["out"]["artifacts"][0]["uri"] == "gs://b/k/out"
    assert executor_io.remote_outputs(given) == ["gs://b/k/out"]
    assert executor_io.output_folders(given) == []


def test_outputs_go_back_with_uris_that_the_launcher_knows_and_without_nulls() -> None:
    metadata = {"span": None, "blessed": 1.0, "current_model": "/minio/b/k/model"}
    output = {"artifacts": {"out": {"artifacts": [{"uri": "/minio/b/k/out", "metadata": metadata}]}}}
    executor_io.mend_output(output, {"modelmill_version_label": "spring"})
    assert output["artifacts"]["out"]["artifacts"][0] == {
        "uri": "minio://b/k/out",
        "metadata": {"blessed": 1.0, "current_model": "minio://b/k/model", "version_label": "spring"},
    }


@pytest.mark.parametrize("uri", ["gs://b/x", "minio://b/x/y", "s3://b/x", "/mnt/x"])
def test_mounts_there_and_back(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mounts.ENV, "/pod")
    assert mounts.remote(mounts.local(uri)) == uri


def test_parts_of_a_property_are_merged() -> None:
    from modelmill.components.train.config import TrainConfig

    custom = {"train": TrainConfig(epochs=60).canonical(), "seed": 0}
    properties = {"custom_config": json.dumps(custom), "modelmill_seed": 5.0, "code": "x"}
    properties |= {"modelmill_train__epochs": 3.0, "modelmill_train__optimizer__learning_rate": 0.5}
    extra = parameters.merge(properties)
    assert set(properties) == {"custom_config", "code"}
    assert len(extra) == 3
    merged = json.loads(properties["custom_config"])
    changed = TrainConfig.model_validate({"epochs": 3, "optimizer": {"learning_rate": 0.5}})
    assert merged == {"train": changed.canonical(), "seed": 5}
    properties["modelmill_train__epochs"] = 2.5
    with pytest.raises(ValueError, match=r"train.epochs: found 2.5; .* integer"):
        parameters.merge(properties)


DECLARED = {
    "train_epochs": {"parameterType": "NUMBER_INTEGER"},
    "seed": {"parameterType": "NUMBER_INTEGER"},
    "train_batch": {"parameterType": "NUMBER_DOUBLE"},
    "data_path": {"parameterType": "STRING"},
}


def test_values_of_parameters() -> None:
    assert parameters.values(DECLARED, ["seed=0", "data_path=gs://a=b"]) == {"seed": 0, "data_path": "gs://a=b"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["epochs=3"], "unknown parameter 'epochs'; allowed: .*did you mean 'train_epochs'"),
        (["seed"], "give name=value"),
        (["seed=many"], "'seed' is a whole number"),
        (["seed=1", "seed=2"], "given twice"),
        (["seed=-1"], "'seed' is out of range; give 0 to"),
        (["train_batch=x"], "'train_batch' is a number"),
    ],
)
def test_values_that_are_refused(given: list[str], told: str) -> None:
    with pytest.raises(DeployError, match=told):
        parameters.values(DECLARED, given)


class Blob:
    """An object in a bucket."""

    def __init__(self, name: str, size: int, store: Store) -> None:
        self.name, self.size, self._store = name, size, store

    def delete(self) -> None:
        self._store.blobs.remove(self)


class Store:
    """A bucket in memory."""

    def __init__(self, **sizes: int) -> None:
        self.blobs = [Blob(name, size, self) for name, size in sizes.items()]

    def list_blobs(self, bucket: str, prefix: str) -> list[Blob]:
        return [blob for blob in self.blobs if bucket == "b" and blob.name.startswith(prefix)]


def test_markers_are_deleted_and_nothing_else() -> None:
    store = Store(**{"k/out/": 0, "k/out/variables/": 0, "k/out/BLESSED": 0, "k/out/x/": 3, "k/output/": 0})
    assert markers.remove(["gs://b/k/out"], store) == 2
    assert [blob.name for blob in store.blobs] == ["k/out/BLESSED", "k/out/x/", "k/output/"]


def version(destination: str, number: int, weights: str) -> str:
    """A pushed version, as the check and the push make it."""
    import hashlib

    folder = f"{destination}/{number}"
    content = {"saved_model.pb": "graph", "variables/variables.data-00000-of-00001": weights, "client.py": "code"}
    for name, text in content.items():
        files.write(f"{folder}/{name}", text.encode())
    digests = {name: {"sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in content.items()}
    files.write(f"{folder}/manifest.json", json.dumps({"files": digests}).encode())
    return folder


def candidate(folder: Path, weights: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "variables/variables.data-00000-of-00001").write_text(weights)
    return folder


@pytest.fixture(params=["a volume", "an object store"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where versions lie; TensorFlow's file system in memory stands for that of gs://."""
    import tensorflow as tf

    if request.param == "a volume":
        yield str(tmp_path / "pushed")
        return
    yield "ram://bucket/pushed"
    tf.io.gfile.rmtree("ram://bucket")


def test_the_baseline_is_the_latest_version_that_is_another_model(destination: str, tmp_path: Path) -> None:
    new = candidate(tmp_path / "new", "new")
    assert baseline_lookup.find(destination, new) is None
    first, second = version(destination, 9, "a"), version(destination, 10, "b")
    files.write(f"{destination}/.staging-11/saved_model.pb", b"graph")
    assert baseline_lookup.find(destination, new) == second
    tf_remove(f"{second}/saved_model.pb")
    assert baseline_lookup.find(destination, new) == first
    baseline_lookup.copy(first, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "saved_model.pb",
        "variables.data-00000-of-00001",
    ]


def test_a_damaged_version_is_no_baseline(destination: str, tmp_path: Path) -> None:
    new = candidate(tmp_path / "new", "new")
    first, second = version(destination, 1, "a"), version(destination, 2, "b")
    files.write(f"{second}/variables/variables.data-00000-of-00001", b"x")
    assert baseline_lookup.find(destination, new) == first
    files.write(f"{first}/manifest.json", json.dumps({"files": {"variables/../../x": {"sha256": ""}}}).encode())
    assert baseline_lookup.find(destination, new) is None


def tf_remove(path: str) -> None:
    import tensorflow as tf

    tf.io.gfile.remove(path)


def test_a_model_that_was_pushed_before_has_the_baseline_that_it_had(destination: str, tmp_path: Path) -> None:
    first = version(destination, 1, "a")
    version(destination, 2, "b")
    version(destination, 3, "c")
    assert baseline_lookup.find(destination, candidate(tmp_path / "again", "b")) == first
    assert baseline_lookup.find(destination, candidate(tmp_path / "first", "a")) is None


def test_drift_is_from_the_last_data_that_passed_and_is_other_data(destination: str) -> None:
    data = [{"train": b"t%d" % number, "eval": b"e"} for number in range(4)]
    assert history.find(destination, data[0]) is None
    for passed in data[:3]:
        history.record(destination, passed)
        history.record(destination, passed)
    assert files.names(f"{destination}/.statistics") == ["1", "2", "3"]
    assert history.find(destination, data[3]) == data[2]
    assert history.find(destination, data[1]) == data[0], "nothing newer counts"
    tf_remove(f"{destination}/.statistics/3/digest.json")  # as if it was killed while it was recorded
    assert history.find(destination, data[3]) == data[1]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("ValueError('no such label')", 1, "failed: no such label"),
        ("GateRefusedError('the data does not fit')", 3, "refused: the data does not fit"),
    ],
)
def test_a_task_that_ends_early_says_why(raised: str, code: int, said: str, tmp_path: Path) -> None:
    program = (
        "from modelmill.data.core import progress\n"
        "from modelmill.components.gates import GateRefusedError\n"
        "from modelmill.pipeline.runners.kubeflow.container import entrypoint\n"
        "def run(*_):\n"
        "    progress.note('half way')\n"
        f"    raise {raised}\n"
        "entrypoint._run = run\n"
        "entrypoint.leave(entrypoint.main(['--json_serialized_invocation_args', '{}']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == code
    assert "half way" in done.stderr
    assert done.stderr.splitlines()[-1] == said
    found = task_outcome.from_log(done.stderr + "the launcher has the last word")
    assert found == task_outcome.TaskOutcome(code == 3, said.partition(": ")[2])


def test_what_a_task_starts_imports_nothing_of_the_working_directory() -> None:
    program = (
        "import os, runpy, sys\nsys.argv = ['entrypoint']\n"
        "try: runpy.run_module('modelmill.pipeline.runners.kubeflow.container.entrypoint', run_name='__main__')\n"
        "except SystemExit: print(os.environ['PYTHONSAFEPATH'])\n"
    )
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=kept, timeout=60)
    assert done.stdout == "1\n", done.stderr


def test_a_task_has_its_time(tmp_path: Path) -> None:
    program = (
        "import time\nfrom modelmill.pipeline.runners.kubeflow.container import entrypoint\n"
        "entrypoint._watch(1)\ntime.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 124
    found = task_outcome.from_log(done.stderr)
    assert found == task_outcome.TaskOutcome(False, "out of time after 1 s (run.time_limits)")
