"""`submit --target vertex`, with Google's own client, against the REST API on loopback: what works, and every error."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Job, Schedule
from modelmill.pipeline.runners.kubeflow.clients.vertex_client import Connection, VertexServer
from modelmill.pipeline.runners.kubeflow.errors import DeployError, ServerError
from modelmill.pipeline.runners.kubeflow.platform_base import look_up
from modelmill.pipeline.runners.kubeflow.submit.submit import Submission, submit
from tests.pipeline.fake_http import BREAK
from tests.pipeline.fake_vertex import FakeVertexServer

VERTEX = look_up("vertex")
PARENT = "projects/my-project/locations/europe-west4"
PAGE = "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/digits-cnn-"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits-cnn, compiled."""
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    path = tmp_path_factory.mktemp("vertex") / "digits.json"
    image = "europe-west4-docker.pkg.dev/my-project/images/modelmill:0.1.0"
    compile_experiment(load("digits-cnn"), VERTEX, image, "gs://bucket/root").write(path)
    return path


class Told(list[str]):
    """The lines that a person saw."""

    def __call__(self, line: str) -> None:
        self.append(line)


def run(server: FakeVertexServer, package: Path, told: Told, token: str = "secret", **more: Any) -> int:
    """Submits to the server; the exit code."""
    to = Connection("my-project", "europe-west4", "runner@my-project.example", token, server.url)
    return submit(Submission(package, VERTEX, **more), lambda: VertexServer(to), told, every=0.01)


def test_submit_sends_the_job_with_parameters_and_the_token(package: Path) -> None:
    told = Told()
    given = ("seed=3", "version_label=spring", "push_destination=gs://bucket/models")
    with FakeVertexServer(token="secret") as server:
        assert run(server, package, told, parameters=given, experiment="nightly") == 0
        ((name, job),) = server.jobs.items()
    assert name.startswith(f"{PARENT}/pipelineJobs/digits-cnn-")
    assert told == [f"submitted: {PAGE}{name.partition('/digits-cnn-')[2]}?project=my-project"]
    assert dict(job.runtime_config.parameter_values) == {
        "seed": 3,
        "version_label": "spring",
        "push_destination": "gs://bucket/models",
    }
    assert job.runtime_config.gcs_output_directory == "gs://bucket/root"
    assert job.service_account == "runner@my-project.example"
    assert dict(job.labels) == {"experiment": "nightly"}
    assert "(spring)" in job.display_name
    from google.protobuf import json_format

    sent = json_format.MessageToDict(type(job).pb(job).pipeline_spec)
    assert sent == json.loads(package.read_text())["pipelineSpec"]


def test_wait_tells_the_nodes_and_the_end(package: Path) -> None:
    told = Told()
    with FakeVertexServer() as server:
        server.outcome = ["PENDING", "RUNNING", "SUCCEEDED"]
        server.tasks = [{"taskName": "digits-cnn", "state": "RUNNING"}, {"taskName": "train", "state": "SKIPPED"}]
        assert run(server, package, told, wait=True) == 0
    assert told[1] == "train: skipped"
    assert told[2].startswith(f"done: {PAGE}")


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        ("The replica workerpool0-0 exited with a non-zero status of 1.", 1, "failed in train: The replica"),
        ("The replica workerpool0-0 exited with a non-zero status of 3.", 3, "refused by a gate in train: The replica"),
        ("", 1, "failed in train: The DAG failed because some tasks failed"),
    ],
)
def test_a_run_that_fails_names_node_reason_and_link(message: str, code: int, said: str, package: Path) -> None:
    told = Told()
    with FakeVertexServer() as server:
        server.outcome, server.error = ["RUNNING", "FAILED"], "The DAG failed because some tasks failed"
        server.tasks = [{"taskName": "train", "state": "FAILED", "error": {"code": 9, "message": message}}]
        assert run(server, package, told, wait=True) == code
    assert told[-1].startswith(said)
    assert PAGE in told[-1]


def test_a_run_that_is_cancelled_ends_the_waiting(package: Path) -> None:
    told = Told()
    with FakeVertexServer() as server:
        server.outcome = ["CANCELLING", "CANCELLED"]
        assert run(server, package, told, wait=True) == 1
    assert "canceled: Vertex does not say why" in told[-1]


@pytest.mark.parametrize(("given", "sent"), [("0 6 * * 1", "0 6 * * 1"), ("@daily", "0 0 * * *")])
def test_schedule(given: str, sent: str, package: Path) -> None:
    told = Told()
    with FakeVertexServer() as server:
        assert run(server, package, told, schedule=Schedule(given), parameters=("seed=4",)) == 0
        (schedule,) = server.schedules
    assert schedule.cron == sent
    request = schedule.create_pipeline_job_request
    assert request.parent == PARENT
    assert dict(request.pipeline_job.runtime_config.parameter_values) == {"seed": 4}
    assert "/pipelines/schedules/1?project=my-project" in told[0]


@pytest.mark.parametrize("fault", [500, 503, BREAK])
def test_waiting_outlives_a_server_that_stumbles(fault: int, package: Path) -> None:
    told = Told()
    with FakeVertexServer() as server:
        server.faults = [(f"GET /v1/{PARENT}/pipelineJobs/", fault)] * 3
        server.outcome = ["RUNNING", "SUCCEEDED"]
        assert run(server, package, told, wait=True) == 0
    assert "trying again" in told[1]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (500, "starting the run: .*answered 500: something is wrong with the database"),
        (403, "answered 403: .*needs the role Vertex AI User in project my-project"),
        (404, "answered 404"),
        (BREAK, "starting the run: .*does not answer"),
    ],
)
def test_errors_of_the_server(fault: int, told: str, package: Path) -> None:
    with FakeVertexServer() as server:
        server.faults = [("POST ", fault)]
        with pytest.raises(ServerError, match=told):
            run(server, package, Told())
        assert len(server.requests) == 1, "a run must not be started twice"


def test_a_wrong_token(package: Path) -> None:
    with FakeVertexServer(token="secret") as server, pytest.raises(ServerError, match=r"answered 401|were refused"):
        run(server, package, Told(), token="guess")


def test_nobody_is_there(package: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    server = VertexServer(Connection("my-project", "europe-west4", token="x", host=host))
    with pytest.raises(ServerError, match="does not answer"):
        server.start(Job(package, "x", "x", "gs://bucket/root"))


def test_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ServerError, match="no credentials of Google Cloud: log in by"):
        VertexServer(Connection("my-project", "europe-west4"))


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        (Connection(None, "europe-west4"), "--project: missing"),
        (Connection("My Project", "europe-west4"), "--project: found 'My Project'"),
        (Connection("my-project", None), "--location: missing"),
        (Connection("my-project", "Europe"), "--location: found 'Europe'; give a region"),
        (Connection("my-project", "europe-west4", host="localhost"), "--host: found 'localhost'"),
    ],
)
def test_a_connection_that_is_none(connection: Connection, told: str) -> None:
    with pytest.raises(DeployError, match=told):
        VertexServer(connection)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"parameters": ("epochs=5",)}, "unknown parameter 'epochs'; .*did you mean 'train_epochs'"),
        ({"parameters": ("data_path=minio://b/x",)}, "vertex needs gs://BUCKET/FOLDER or"),
        ({"parameters": ("push_destination=models",)}, "give gs://BUCKET/FOLDER"),
        ({"schedule": Schedule("30 0 6 * * 1")}, "--schedule: found '30 0 6"),
        ({"experiment": "Nightly Runs"}, "--experiment: found 'Nightly Runs'"),
    ],
)
def test_bad_input_is_told_before_anything_is_sent(more: dict[str, Any], told: str, package: Path) -> None:
    with FakeVertexServer() as server:
        with pytest.raises(DeployError, match=told):
            run(server, package, Told(), **more)
        assert not server.requests


def test_a_file_of_the_other_target(tmp_path: Path, package: Path) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text(package.read_text())
    with FakeVertexServer() as server, pytest.raises(DeployError, match=r"vertex needs a file \.json"):
        run(server, path, Told())
