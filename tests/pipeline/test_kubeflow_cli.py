"""The commands for clusters, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from modelmill.pipeline.cli import kubeflow
from tests.pipeline.fake_kfp import FakeKfpServer
from tests.pipeline.fake_vertex import FakeVertexServer

IMAGE = "registry.example/modelmill:1"
app = typer.Typer()
kubeflow.register(app)


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A compiled file whose one task writes down what it got."""
    program = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + os.environ['MODELMILL_MOUNTS']); sys.exit(5)"
    container = {"image": IMAGE, "command": ["python", "-c", program], "args": [str(tmp_path / "got"), "{{$}}"]}
    spec = {
        "pipelineInfo": {"name": "digits"},
        "root": {"dag": {"tasks": {"train": {}}}, "inputDefinitions": {"parameters": {}}},
        "components": {"train": {"executorLabel": "exec-train"}},
        "deploymentSpec": {"executors": {"exec-train": {"container": container}}},
    }
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def test_compile_writes_the_file_and_says_what_to_know(tmp_path: Path) -> None:
    code, said = call("compile", "digits-cnn", "--image", IMAGE, "-o", str(tmp_path / "x.yaml"))
    assert code == 0, said
    assert "note: no run.cluster.destination" in said
    assert str(tmp_path / "x.yaml") in said
    assert yaml.safe_load((tmp_path / "x.yaml").read_text())["schemaVersion"] == "2.1.0"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compile", "digits-cnn"], "--image: missing"),
        (["compile", "digits-cnn", "--image", "modelmill"], "neither tag nor digest"),
        (["compile", "digits-cnn", "--image", IMAGE, "--target", "argo"], "unknown target 'argo'"),
        (["compile", "digits-cnn", "--image", IMAGE, "--target", "vertex"], "--root: missing"),
        (["compile", "digits-cnn", "--image", IMAGE, "--root", "/mnt/x"], "the KFP driver takes object stores only"),
        (["compile", "digit-cnn", "--image", IMAGE], "did you mean 'digits-cnn'"),
        (["submit", "digits-cnn", "--image", IMAGE], "--host: missing"),
        (
            ["submit", "digits-cnn", "--host", "http://localhost:1", "--project", "p"],
            "--project: it is for --target vertex",
        ),
        (["submit", "digits-cnn", "--target", "vertex", "-n", "team"], "--namespace: it is for --target kubeflow"),
    ],
)
def test_bad_input(arguments: list[str], told: str) -> None:
    code, said = call(*arguments)
    assert code == 2
    assert told in said


def test_submit_takes_a_compiled_file_and_a_token(package: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    with FakeKfpServer(token="secret") as server:
        code, said = call("submit", str(package), "--host", server.url, "--token-file", str(tmp_path / "token"))
        assert code == 0, said
        assert f"submitted: {server.url}/#/runs/details/run-1" in said
        code, said = call("submit", str(package), "--host", server.url)
        assert (code, "refuses access" in said) == (1, True)
        code, said = call("submit", str(package), "--host", server.url, "--param", "seed=1")
        assert (code, "unknown parameter 'seed'" in said) == (2, True)
        code, said = call("submit", str(package), "--host", server.url, "--set", "run.seed=1")
        assert (code, "--set: the file is compiled already" in said) == (2, True)


def test_submit_to_vertex_takes_an_experiment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    given = ["--target", "vertex", "--image", IMAGE, "--root", "gs://bucket/root", "--location", "europe-west4"]
    given += ["--token-file", str(tmp_path / "token")]
    with FakeVertexServer(token="secret") as server:
        code, said = call("submit", "digits-cnn", *given, "--host", server.url, "--project", "my-project", "--wait")
        assert code == 0, said
        assert "submitted: https://console.cloud.google.com/vertex-ai/" in said
        assert "done: " in said
        assert len(server.jobs) == 1
        code, said = call("submit", "digits-cnn", *given, "--host", server.url)
        assert (code, "--project: missing" in said) == (2, True)


def test_run_node_runs_the_command_of_the_file(package: Path, tmp_path: Path) -> None:
    content = {"inputs": {}, "outputs": {"outputFile": str(tmp_path / "out/output.json")}}
    (tmp_path / "input.json").write_text(json.dumps(content))
    given = ["--executor-input", f"@{tmp_path / 'input.json'}", "--mounts", str(tmp_path)]
    code, _ = call("run-node", str(package), "--task", "train", *given)
    assert code == 5, "the code of the command"
    assert (tmp_path / "got").read_text() == json.dumps(content) + str(tmp_path)
    content["outputs"]["outputFile"] = "/minio/mlpipeline/v2/artifacts/x/output_metadata.json"  # as KFP 2.17 has it
    given[1] = json.dumps(content)
    code, _ = call("run-node", str(package), "--task", "train", *given)
    assert (code, (tmp_path / "minio/mlpipeline/v2/artifacts/x").is_dir()) == (5, True)
    code, said = call("run-node", str(package), "--task", "trian", *given)
    assert (code, "did you mean 'train'" in said) == (2, True)
    code, said = call("run-node", str(package), "--task", "train", "--executor-input", "{}")
    assert (code, "no outputs.outputFile" in said) == (2, True)
