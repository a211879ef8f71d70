"""`submit`, with kfp's own client, against a server on loopback: what works, and every error that a user may meet."""

from __future__ import annotations

import datetime
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmill.pipeline.runners.kubeflow import task_outcome
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Schedule, wait
from modelmill.pipeline.runners.kubeflow.clients.kfp_client import Connection, KfpServer
from modelmill.pipeline.runners.kubeflow.errors import DeployError, ServerError
from modelmill.pipeline.runners.kubeflow.platform_base import look_up
from modelmill.pipeline.runners.kubeflow.submit.submit import Submission, submit
from modelmill.pipeline.runners.kubeflow.task_outcome import TaskOutcome
from tests.pipeline.fake_http import BREAK
from tests.pipeline.fake_kfp import FakeKfpServer

KUBEFLOW = look_up("kubeflow")
# As the API tells of a run whose node `train` failed: no reason, and the Argo nodes of the pods.
TASKS = [
    {"run_id": "run-1", "task_id": "0", "display_name": "root", "state": "FAILED"},
    {"run_id": "run-1", "task_id": "1", "display_name": "train-driver", "state": "SUCCEEDED"},
    {
        "run_id": "run-1",
        "task_id": "2",
        "display_name": "train",
        "state": "FAILED",
        "child_tasks": [{"pod_name": "digits-x7k2p-111"}],
    },
    {"run_id": "run-1", "task_id": "3", "display_name": "executor", "state": "FAILED"},
]
POD = "digits-x7k2p-system-container-impl-111"
LAUNCHER = "F1130 12:00:00 main.go:50] failed to execute component: exit status 3\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A compiled file of one task, with the parameters of a real one."""
    parameter = {"parameterType": "NUMBER_INTEGER", "defaultValue": 60}
    text = {"parameterType": "STRING", "defaultValue": ""}
    spec = {
        "pipelineInfo": {"name": "digits"},
        "schemaVersion": "2.1.0",
        "defaultPipelineRoot": "s3://team/artifacts",
        "root": {
            "dag": {"tasks": {"train": {"componentRef": {"name": "train"}}}},
            "inputDefinitions": {
                "parameters": {"train_epochs": parameter, "data_path": text, "push_destination": text}
            },
        },
        "components": {"train": {"executorLabel": "exec-train"}},
        "deploymentSpec": {"executors": {"exec-train": {"container": {"image": "i", "command": ["c"]}}}},
    }
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-train": {}}}}}}
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump_all([spec, platform]))
    return path


class Told(list[str]):
    """The lines that a person saw."""

    def __call__(self, line: str) -> None:
        self.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self)


def run(server: FakeKfpServer, package: Path, told: Told, connection: dict[str, Any] | None = None, **more: Any) -> int:
    """Submits to the server; the exit code."""
    to = Connection(server.url, **(connection or {}))
    return submit(Submission(package, KUBEFLOW, **more), lambda: KfpServer(to), told, every=0.01)


def test_submit_with_parameters_and_a_token(package: Path) -> None:
    told = Told()
    with FakeKfpServer(token="secret") as server:
        to = {"token": "secret", "service_account": "runner"}
        code = run(server, package, told, to, parameters=("train_epochs=5",), experiment="nightly")
        assert code == 0
        assert server.runs[0]["runtime_config"]["parameters"] == {"train_epochs": 5}
        assert set(server.runs[0]["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
        assert server.runs[0]["runtime_config"]["pipeline_root"] == "s3://team/artifacts", "servers ignore the file's"
        assert server.runs[0]["service_account"] == "runner"
        assert server.experiments[0]["display_name"] == "nightly"
        assert told == [f"submitted: {server.url}/#/runs/details/run-1"]


def test_wait_tells_the_nodes_and_the_end(package: Path) -> None:
    told = Told()
    with FakeKfpServer() as server:
        server.outcome = ["PENDING", "RUNNING", "SUCCEEDED"]
        server.tasks = [{"run_id": "run-1", "task_id": "1", "display_name": "train", "state": "RUNNING"}]
        assert run(server, package, told, wait=True) == 0
        assert told[1:] == ["train: running", f"done: {server.url}/#/runs/details/run-1"]


def log(refused: bool, reason: str) -> str:
    """The end of a log: what the entrypoint says, and behind it the launcher."""
    return f"Epoch 1\n{task_outcome.to_line(TaskOutcome(refused, reason))}\nfailed: {reason}\n{LAUNCHER}"


@pytest.mark.parametrize("pages", [True, False])
@pytest.mark.parametrize(
    ("refused", "code", "said"), [(False, 1, "failed in train: out"), (True, 3, "refused by a gate in train: out")]
)
def test_outcome_and_reason_come_from_the_log_of_the_node_that_failed(
    pages: bool, refused: bool, code: int, said: str, package: Path
) -> None:
    told = Told()
    with FakeKfpServer(token="secret") as server:
        server.outcome, server.tasks, server.pages = ["RUNNING", "FAILED"], TASKS, pages
        server.logs = {POD: log(refused, "out of memory,\n  twice")}
        assert run(server, package, told, {"token": "secret"}, wait=True) == code
        assert said in told.text
        assert "twice" in told.text
        assert f"{server.url}/#/runs/details/run-1" in told[-1]


def test_the_last_attempt_of_a_node_with_retries_is_read(package: Path) -> None:
    first, second = yaml.safe_load_all(package.read_text())
    first["root"]["dag"]["tasks"]["train"]["retryPolicy"] = {"maxRetryCount": 1}
    metadata = {"labels": {"team": "a"}, "annotations": {}}
    second["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"] = {"podMetadata": metadata}
    package.write_text(yaml.safe_dump_all([first, second]))
    told = Told()
    with FakeKfpServer() as server:
        attempts = [{"pod_name": "digits-x7k2p-222"}, {"pod_name": "digits-x7k2p-333"}]
        server.outcome, server.tasks = ["FAILED"], [*TASKS[:3], {**TASKS[3], "child_tasks": attempts}]
        name = "digits-x7k2p-metadata-0-1-retry-system-container-impl"
        server.logs = {f"{name}-222": log(False, "killed"), f"{name}-333": log(True, "the data does not fit")}
        assert run(server, package, told, wait=True) == 3
        assert "refused by a gate in train: the data does not fit" in told.text


def test_a_run_whose_log_is_gone_fails_without_a_reason(package: Path) -> None:
    told = Told()
    with FakeKfpServer() as server:
        server.outcome, server.tasks = ["FAILED"], TASKS
        assert run(server, package, told, wait=True) == 1
        assert "failed in train: the server does not say why, and gives no log that does" in told.text
        server.logs = {POD: "Killed\n" + LAUNCHER}
        assert run(server, package, told, wait=True) == 1, "the launcher's exit status says nothing of who ended it"


def test_a_run_that_is_cancelled_ends_the_waiting(package: Path) -> None:
    told = Told()
    with FakeKfpServer() as server:
        server.outcome = ["CANCELED"]
        assert run(server, package, told, wait=True) == 1
        assert "canceled: the server does not say why" in told.text


@pytest.mark.parametrize(
    ("given", "sent"), [("0 6 * * 1", "0 0 6 * * 1"), ("30 0 6 * * 1", "30 0 6 * * 1"), ("@daily", "0 0 0 * * *")]
)
def test_schedule(given: str, sent: str, package: Path) -> None:
    told = Told()
    with FakeKfpServer() as server:
        assert run(server, package, told, schedule=Schedule(given)) == 0
        assert server.recurring[0]["trigger"]["cron_schedule"]["cron"] == sent
        assert server.recurring[0]["runtime_config"]["pipeline_root"] == "s3://team/artifacts"
        assert "recurring-1" in told.text


def test_a_run_may_have_a_root_of_its_own(package: Path) -> None:
    with FakeKfpServer() as server:
        assert run(server, package, Told(), root="minio://other/folder/") == 0
        assert server.runs[0]["runtime_config"]["pipeline_root"] == "minio://other/folder"
        with pytest.raises(DeployError, match="root: found '/mnt/x'; kubeflow takes"):
            run(server, package, Told(), root="/mnt/x")
        assert len(server.runs) == 1


@pytest.mark.parametrize("fault", [500, 503, BREAK])
def test_waiting_outlives_a_server_that_stumbles(fault: int, package: Path) -> None:
    told = Told()
    with FakeKfpServer() as server:
        server.faults = [("GET /apis/v2beta1/runs/", fault)] * 5
        server.outcome = ["RUNNING", "SUCCEEDED"]
        assert run(server, package, told, wait=True) == 0
        assert "trying again" in told.text
        assert "done" in told.text


def test_a_server_that_stays_away_ends_the_waiting(package: Path) -> None:
    with FakeKfpServer() as fake:
        server = KfpServer(Connection(fake.url))
        fake.faults = [("GET /apis/v2beta1/runs/", 503)] * 1000
        with pytest.raises(ServerError, match=r"asking for run run-1 .*answered 503: something is wrong with the data"):
            wait(server, "run-1", Told(), every=0.01, patience=0.1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (("POST /apis/v2beta1/runs", 500), "starting the run: .*answered 500: something is wrong with the database"),
        (("POST /apis/v2beta1/runs", 403), "answered 403: .*give a token"),
        (("POST /apis/v2beta1/runs", BREAK), "starting the run: .*broke the connection"),
        (("GET /apis/v2beta1/healthz", 502), "is out of order \\(502\\)"),
        (("GET /apis/v2beta1/healthz", BREAK), "does not answer"),
    ],
)
def test_errors_of_the_server(fault: tuple[str, int], told: str, package: Path) -> None:
    with FakeKfpServer() as server:
        server.faults = [fault]
        with pytest.raises(ServerError, match=told):
            run(server, package, Told())
        assert len(server.runs) <= 1
        started = [request for request in server.requests if request == ("POST", "/apis/v2beta1/runs")]
        assert len(started) <= 1, "a run must not be started twice"


def test_a_wrong_token(package: Path) -> None:
    with FakeKfpServer(token="secret") as server, pytest.raises(ServerError, match="refuses access \\(401\\)"):
        run(server, package, Told(), {"token": "guess"})


def test_nobody_is_there(package: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServerError, match=r"does not answer: .*refused"):
        KfpServer(Connection(host))


@pytest.mark.parametrize(
    ("kind", "told"), [("v1", "is a server of KFP v1; modelmill needs v2"), ("none", "is no KFP server")]
)
def test_other_servers(kind: Any, told: str, package: Path) -> None:
    with FakeKfpServer(kind=kind) as server:
        with pytest.raises(DeployError, match=told):
            run(server, package, Told())
        assert not server.runs


def test_a_server_for_many_needs_a_namespace(package: Path) -> None:
    with FakeKfpServer(multi_user=True) as server:
        with pytest.raises(DeployError, match="--namespace: missing"):
            run(server, package, Told())
        assert run(server, package, Told(), {"namespace": "team"}) == 0
        assert server.experiments[0]["namespace"] == "team"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one for 127.0.0.1, with its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls(certificate: Path, package: Path) -> None:
    with FakeKfpServer(certificate=certificate) as server:
        with pytest.raises(ServerError, match="its certificate is not trusted"):
            run(server, package, Told())
        assert run(server, package, Told(), {"ca": certificate}) == 0
        assert run(server, package, Told(), {"verify": False}, wait=True) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"parameters": ("epochs=5",)}, "unknown parameter 'epochs'; .*did you mean 'train_epochs'"),
        ({"parameters": ("data_path=minio://b/x",)}, "compile it with --set run.cluster.data=minio://b/x"),
        ({"parameters": ("push_destination=models",)}, "a folder on a mounted volume"),
        ({"schedule": Schedule("every monday")}, "--schedule: found 'every monday'"),
        ({"schedule": Schedule("0 6 * * 1"), "wait": True}, "--wait and --schedule"),
    ],
)
def test_bad_input_is_told_before_anything_is_sent(more: dict[str, Any], told: str, package: Path) -> None:
    with FakeKfpServer() as server:
        with pytest.raises(DeployError, match=told):
            run(server, package, Told(), **more)
        assert not server.requests


def test_a_file_of_the_other_target(package: Path, tmp_path: Path) -> None:
    with FakeKfpServer() as server, pytest.raises(DeployError, match=r"kubeflow needs a file \.yaml"):
        run(server, package.rename(tmp_path / "digits.json"), Told())


def test_a_file_that_is_no_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1")
    with FakeKfpServer() as server, pytest.raises(DeployError, match="no compiled pipeline"):
        run(server, path, Told())


@pytest.mark.parametrize("host", ["localhost:8080", "ftp://x", "http://"])
def test_a_host_that_is_no_url(host: str) -> None:
    with pytest.raises(DeployError, match="--host: found"):
        KfpServer(Connection(host))
