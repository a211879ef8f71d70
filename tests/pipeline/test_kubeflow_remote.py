"""Schedules, uploads and `modelmill remote`, against servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from modelmill.pipeline.cli import kubeflow, remote
from modelmill.pipeline.runners.kubeflow import task_outcome
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Schedule
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import look_up
from tests.pipeline.fake_kfp import FakeKfpServer
from tests.pipeline.fake_vertex import FakeVertexServer

app = typer.Typer()
kubeflow.register(app)
remote.register(app)
POD = "digits-x7k2p-system-container-impl-111"
FAILED = {"display_name": "train", "state": "FAILED", "child_tasks": [{"pod_name": "digits-x7k2p-111"}]}


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A compiled file."""
    spec = {
        "pipelineInfo": {"name": "digits"},
        "defaultPipelineRoot": "s3://team/artifacts",
        "root": {"dag": {"tasks": {"train": {}}}, "inputDefinitions": {"parameters": {}}},
        "components": {},
        "deploymentSpec": {"executors": {}},
    }
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


@pytest.fixture
def server() -> Iterator[FakeKfpServer]:
    with FakeKfpServer() as server:
        yield server


def test_a_schedule_by_an_interval_within_two_times(server: FakeKfpServer, package: Path) -> None:
    given = ["--every", "3600", "--start", "2027-01-01T00:00:00Z", "--end", "2027-02-01T00:00:00Z"]
    code, said = call("submit", str(package), "--host", server.url, *given, "--concurrency", "2", "--catch-up")
    assert (code, "scheduled (every 3600 s)" in said) == (0, True), said
    (made,) = server.recurring
    assert made["trigger"]["periodic_schedule"]["interval_second"] == "3600"
    assert made["trigger"]["periodic_schedule"]["start_time"].startswith("2027-01-01T00:00:00")
    assert made["trigger"]["periodic_schedule"]["end_time"].startswith("2027-02-01T00:00:00")
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("2", False, "ENABLE")
    assert made["runtime_config"]["pipeline_root"] == "s3://team/artifacts"
    assert made["pipeline_spec"]["pipelineInfo"]["name"] == "digits"


def test_a_pipeline_its_versions_and_a_schedule_of_the_latest(server: FakeKfpServer, package: Path) -> None:
    code, said = call("submit", str(package), "--host", server.url, "--schedule", "@daily", "--latest-of", "digits")
    assert (code, "--latest-of: found 'digits'; the server has no such pipeline" in said) == (2, True)
    for version in ("1", "2"):
        code, said = call("remote", "--host", server.url, "upload", str(package), "--version", version)
        assert (code, f"version/version-{version}" in said) == (0, True), said
        assert "the server ignores the root s3://team/artifacts of the file; its page fills it in" in said
    assert server.pipelines == {"digits": ["1", "2"]}
    code, said = call("submit", str(package), "--host", server.url, "--schedule", "@daily", "--latest-of", "digits")
    assert code == 0, said
    assert server.recurring[-1]["pipeline_version_reference"] == {"pipeline_id": "pipeline-1"}
    assert "pipeline_spec" not in server.recurring[-1]


def test_schedules_are_listed_disabled_enabled_and_deleted(server: FakeKfpServer, package: Path) -> None:
    for when in (["--schedule", "0 6 * * 1"], ["--every", "60"]):
        assert call("submit", str(package), "--host", server.url, *when)[0] == 0
    to = ["remote", "--host", server.url]
    assert call(*to, "disable", "recurring-1")[0] == 0
    first, second = call(*to, "schedules")[1].splitlines()
    assert first.startswith("recurring-1\tdisabled\t0 0 6 * * 1\tdigits ")
    assert second.startswith("recurring-2\tenabled\tevery 60 s\tdigits ")
    assert call(*to, "enable", "recurring-1")[0] == 0
    assert call(*to, "schedules")[1].startswith("recurring-1\tenabled")
    assert call(*to, "delete", "recurring-2") == (0, "deleted: recurring-2\n")
    assert len(server.recurring) == 1


def test_runs_are_listed_shown_stopped_retried_and_archived(server: FakeKfpServer, package: Path) -> None:
    to = ["remote", "--host", server.url]
    assert call("submit", str(package), "--host", server.url)[0] == 0
    server.outcome, server.tasks = ["FAILED"], [FAILED]
    refused = task_outcome.to_line(task_outcome.TaskOutcome(True, "the data does not fit"))
    server.logs = {POD: f"Epoch 1\n{refused}\n"}
    assert call(*to, "runs") == (0, "run-1\tfailed\t2026-11-30 12:00:00\tdigits\n")
    code, said = call(*to, "status", "run-1")
    assert (code, "train: failed\nrefused by a gate in train: the data does not fit" in said) == (3, True)
    assert call(*to, "logs", "run-1", "train") == (0, server.logs[POD])
    code, said = call(*to, "logs", "run-1", "push")
    assert (code, "push: the server gives no log of it; see" in said) == (1, True)
    code, said = call(*to, "logs", "run-1", "trian")
    assert (code, "did you mean 'train'" in said) == (2, True)
    for command in ("stop", "retry", "archive"):
        assert call(*to, command, "run-1")[0] == 0
    assert server.changed == [("run-1", "terminate"), ("run-1", "retry"), ("run-1", "archive")]
    code, said = call(*to, "status", "run-x")
    assert (code, "answered 404: there is no /runs/run-x" in said) == (1, True)


def test_what_vertex_can_not_do_is_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    with FakeVertexServer() as server:
        to = ["remote", "--target", "vertex", "--host", server.url, "--project", "my-project"]
        to += ["--location", "europe-west4", "--token-file", str(tmp_path / "token")]
        for command, told in (("retry", "submit again"), ("archive", "on its page"), ("status", "answered 404")):
            code, said = call(*to, command, "x")
            assert (code, told in said) == (1 if command == "status" else 2, True), said
        code, said = call(*to, "logs", "x", "train")
        assert (code, "logs: Vertex keeps them in Cloud Logging" in said) == (2, True)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("kubeflow", Schedule("@daily", 60), "--schedule and --every: give one of them"),
        ("kubeflow", Schedule(every=0), "--every: found 0; give at least 1 second"),
        ("kubeflow", Schedule("@daily", concurrency=0), "--concurrency: found 0"),
        ("kubeflow", Schedule("@daily", start="tomorrow"), "--start: found 'tomorrow'; give a time with its zone"),
        ("kubeflow", Schedule("@daily", end="2027-01-01T00:00:00"), "--end: found .* give a time with its zone"),
        (
            "kubeflow",
            Schedule("@daily", start="2027-01-02T00:00:00Z", end="2027-01-01T00:00:00Z"),
            "--end: found .*; give a time after --start",
        ),
        ("vertex", Schedule(every=60), "--every: vertex has no such thing; its schedules go by a cron"),
        ("vertex", Schedule("@daily", catch_up=True), "--catch-up: vertex has no such thing"),
    ],
)
def test_schedules_that_a_platform_refuses(name: str, given: Schedule, told: str) -> None:
    with pytest.raises(DeployError, match=told):
        look_up(name).schedule(given)
