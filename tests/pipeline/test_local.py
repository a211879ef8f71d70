"""The local runner, with a little pipeline run for real: real launcher, cache, metadata and log."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tfx.orchestration import metadata

from modelmill.components.compress.trials import worker_count
from modelmill.data.core import progress
from modelmill.pipeline.experiment.experiment import Experiment, load
from modelmill.pipeline.layout import Folders, RunFolder
from modelmill.pipeline.runners.local import lock
from modelmill.pipeline.runners.local.run import BAD_INPUT, FAILED, PUSHED, REFUSED, Request, run
from tests.pipeline import little

COMMAND = ["modelmill", "run", "my experiment.yaml"]


class Runs:
    """Runs of the little pipeline on one root."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.request = Request(load("digits-cnn", ["data.sample=null", f"data.path={root}"]), root, COMMAND)
        self.folders = Folders(root, self.request.experiment.name)
        self.screen = ""
        self._capfd = capfd

    def __call__(self, word="", seed=0, first=None, last=None, build=little.build, tell="progress") -> int:
        """One run; `word` is what the second node is to do. Returns the exit code."""
        little.misbehave(self.folders, word)
        settings = self.request.experiment.run.model_copy(update={"seed": seed})
        experiment = self.request.experiment.model_copy(update={"run": settings})
        self._capfd.readouterr()
        code = run(replace(self.request, experiment=experiment, first=first, last=last, build=build, tell=tell)).code
        self.screen = self._capfd.readouterr().out
        return code

    @property
    def summary(self) -> dict:
        return json.loads((self.folders.latest / "summary.json").read_text())

    @property
    def log(self) -> str:
        return (self.folders.latest / "log.txt").read_text()

    def states(self) -> dict[str, str]:
        return {node["id"]: node["state"] for node in self.summary["nodes"]}


@pytest.fixture
def runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Runs:
    return Runs(tmp_path / "root with space", capfd)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path) -> None:
    (tmp_path / "root with space").mkdir()


def test_a_run_leaves_all_that_is_promised(runs: Runs) -> None:
    arguments = list(sys.argv)
    assert runs() == PUSHED
    found = runs.summary
    assert (found["status"], found["failure"], found["experiment"]) == ("pushed", None, "digits-cnn")
    assert found["pushed"] == str(runs.folders.pushed / "1")
    assert [node["id"] for node in found["nodes"]] == ["ingest", "train", "baseline", "push"]
    assert not any(node["cached"] for node in found["nodes"])
    assert found["seconds"] >= sum(node["seconds"] for node in found["nodes"]) > 0
    assert runs.folders.latest.is_symlink() and os.readlink(runs.folders.latest) == found["run_id"]
    link = runs.folders.latest / "links" / "train" / "out"
    assert link.is_symlink() and (link / "two.txt").read_text() == "1"
    again = load(str(runs.folders.latest / "experiment.yaml"))
    assert again == runs.request.experiment
    assert sys.argv == arguments and progress.ENV not in os.environ


def test_nodes_are_told_of_workers_beside_their_settings(runs: Runs) -> None:
    experiment, three = load("digits-cnn"), load("digits-cnn", ["compress.workers=3"])
    assert three.compress.workers == 3 and three.compress.canonical() == experiment.compress.canonical()
    counts: list[int] = []

    def build(given: Experiment, folders: Folders) -> Any:
        counts.append(worker_count.count())
        raise RuntimeError("that was all")

    assert run(Request(three, runs.folders.root, build=build, screen=io.StringIO())).code == FAILED
    assert counts == [3] and worker_count.ENV not in os.environ and worker_count.count() == 1


def test_what_the_nodes_start_imports_nothing_of_the_working_directory(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    found: list[str] = []

    def build(given: Experiment, folders: Folders) -> Any:
        command = [sys.executable, "-c", "import sys; print(sys.flags.safe_path)"]  # as Beam starts its workers
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        raise RuntimeError("that was all")

    run(replace(runs.request, build=build, screen=io.StringIO()))
    assert found == ["True"] and "PYTHONSAFEPATH" not in os.environ


def test_the_screen_is_for_people_and_the_log_for_the_rest(runs: Runs) -> None:
    runs()
    for line in ("ingest: done, ", "  the first node was here", "  steps: 20 of 20  loss 0.05", "push: done, "):
        assert f"\n{line}" in runs.screen
    assert runs.screen.index("the first node was here") < runs.screen.index("ingest: done")
    assert runs.screen.count("  steps: ") == 10  # a line a tenth
    assert "hello" not in runs.screen and "INFO" not in runs.screen
    assert "python says hello" in runs.log and "a child says hello" in runs.log
    assert "INFO absl: Going to run a new execution" in runs.log
    print("the test's own stdout works again")
    assert "works again" in runs._capfd.readouterr().out


def test_again_nothing_is_run(runs: Runs) -> None:
    runs()
    first = runs.summary
    assert runs() == PUSHED
    assert set(runs.states().values()) == {"cached"}
    assert all(node["cached"] for node in runs.summary["nodes"])
    assert runs.summary["pushed"] == first["pushed"] and runs.summary["run_id"] > first["run_id"]
    assert "all 4 cached, nothing to do" in runs.screen
    assert (runs.folders.latest / "links" / "push" / "pushed_model").is_dir()


def test_it_tells_as_much_as_is_asked_for(runs: Runs) -> None:
    version = f"{runs.folders.pushed / '1'}\n"
    assert runs(tell="end") == PUSHED and runs.screen == version
    assert runs("fail", seed=1, tell="end") == FAILED
    assert runs.screen.strip().startswith("train failed: seed 1 does not grow") and "ingest" not in runs.screen
    assert runs(seed=2, tell="nothing") == PUSHED and not runs.screen
    assert runs(seed=3, tell="log") == PUSHED
    assert "train: done" in runs.screen and "absl: " in runs.screen


def test_a_change_runs_from_where_it_matters(runs: Runs) -> None:
    runs()
    assert runs(seed=1) == PUSHED
    assert runs.states() == {"ingest": "cached", "train": "done", "baseline": "done", "push": "done"}


def test_a_failure_tells_why_where_and_how_to_go_on(runs: Runs) -> None:
    assert runs("fail", seed=3) == FAILED
    assert "train failed: seed 3 does not grow (caused by KeyError: 'cause')\n" in runs.screen
    assert "while running" not in runs.screen and "Traceback" not in runs.screen
    log = str(runs.folders.experiment / runs.summary["run_id"] / "log.txt")
    assert min(log, os.path.relpath(log), key=len) in runs.screen
    assert "modelmill run 'my experiment.yaml'   (finished nodes are cached)" in runs.screen
    assert "Traceback" in runs.log
    found = runs.summary
    assert (found["status"], found["pushed"], found["failure"]["node"]) == ("failed", None, "train")
    states = {"ingest": "done", "train": "failed", "baseline": "waiting", "push": "waiting"}
    assert runs.states() == states
    assert runs(seed=3) == PUSHED
    assert runs.states() == {"ingest": "cached", "train": "done", "baseline": "done", "push": "done"}


def test_a_gate_that_refuses_is_no_failure(runs: Runs) -> None:
    assert runs("refuse") == REFUSED
    found = runs.summary
    assert (found["status"], found["failure"]) == (
        "refused",
        {"node": "train", "reason": "the data does not fit"},
    )
    (gate,) = found["gates"]
    assert (gate["gate"], gate["metric"], gate["slice"], gate["passed"]) == (
        "data",
        "anomaly",
        "train/label",
        False,
    )
    assert "refused by train, nothing was pushed:\nthe data does not fit\n" in runs.screen
    assert "odd label" in runs.screen


@pytest.mark.parametrize("word", ["interrupt", "terminate"])
def test_stopped_by_hand_it_ends_cleanly(runs: Runs, word: str) -> None:
    assert runs(word) == FAILED
    assert (runs.summary["status"], runs.summary["failure"]["reason"]) == ("failed", "stopped by hand")
    connection = metadata.sqlite_metadata_connection_config(str(runs.folders.metadata))
    with metadata.Metadata(connection) as handle:
        states = [execution.last_known_state for execution in handle.store.get_executions()]
        assert handle.store.get_executions()[0].State.Name(states[-1]) == "FAILED"
    assert not list((runs.folders.artifacts / "train" / "out").iterdir())
    assert runs() == PUSHED
    assert runs.states()["ingest"] == "cached"


def test_inputs_that_are_not_there_are_a_failure(runs: Runs) -> None:
    assert runs(build=little.build_without_input) == FAILED
    assert runs.summary["failure"]["node"] == "push"
    assert "model" in runs.summary["failure"]["reason"]


def test_a_pipeline_that_can_not_be_built(runs: Runs) -> None:
    def build(experiment: Experiment, folders: Folders) -> None:
        raise ValueError("no such wire")

    assert runs(build=build) == FAILED
    assert "failed: no such wire" in runs.screen
    assert runs.summary["status"] == "failed"


def test_a_part_of_the_chain(runs: Runs) -> None:
    assert runs(last="train") == PUSHED
    assert (runs.summary["status"], runs.summary["pushed"]) == ("partial", None)
    assert runs.states() == {"ingest": "done", "train": "done", "baseline": "skipped", "push": "skipped"}
    before = runs.summary["run_id"]
    assert runs("fail", seed=2) == FAILED  # a newer run, which has not come so far
    assert runs(first="baseline") == PUSHED
    assert runs.summary["status"] == "pushed"
    assert runs.states() == {"ingest": "skipped", "train": "skipped", "baseline": "done", "push": "done"}
    assert f"outputs of ingest, train are taken from run {before}" in runs.screen
    assert (runs.folders.latest / "links" / "train" / "out" / "two.txt").is_file()


def test_a_part_that_nothing_leads_to(runs: Runs) -> None:
    assert runs(first="push") == BAD_INPUT
    assert "no earlier run has finished ingest, train" in runs.screen
    assert runs.summary["status"] == "failed"


def test_what_was_deleted_is_made_again(runs: Runs) -> None:
    runs()
    (runs.folders.pushed / "1" / "two.txt").unlink()
    (runs.folders.pushed / "1").rmdir()
    assert runs() == PUSHED
    assert (runs.folders.pushed / "1" / "two.txt").is_file()
    assert runs.states() == {"ingest": "cached", "train": "cached", "baseline": "cached", "push": "done"}
    ((runs.folders.latest / "links" / "train" / "out").resolve() / "two.txt").unlink()
    (runs.folders.latest / "links" / "train" / "out").resolve().rmdir()
    assert runs() == PUSHED
    assert runs.states()["train"] == "done"


@pytest.mark.parametrize("place", ["version", "artifact", "manifest"])
def test_what_was_damaged_is_made_again(runs: Runs, place: str) -> None:
    runs()
    artifact = (runs.folders.latest / "links" / "push" / "pushed_model").resolve()
    version = runs.folders.pushed / "1"
    names = ("saved_model.pb", "model.tflite", "labels.txt")
    digests = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in (*names, "two.txt")}
    digests["two.txt"] = {"sha256": hashlib.sha256(b"1").hexdigest()}
    manifest = {"files": digests, "flatbuffer": {"file": "model.tflite"}, "labels": "labels.txt"}
    for folder in (artifact, version):
        for name in names:
            (folder / name).write_text(name)
        (folder / "two.txt").write_text("1")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert runs() == PUSHED and runs.states()["push"] == "cached"
    damaged = {"version": version / "two.txt", "artifact": artifact / "two.txt", "manifest": version / "manifest.json"}
    damaged[place].write_text("2")
    assert runs() == PUSHED
    assert runs.states() == {"ingest": "cached", "train": "cached", "baseline": "cached", "push": "done"}
    assert "push: damaged since it was made" in runs.screen + runs.log and damaged[place].name in runs.screen + runs.log


def test_a_second_run_at_the_same_time_is_refused(runs: Runs) -> None:
    code = (
        "import pathlib, sys\n"
        "from modelmill.pipeline.runners.local import lock\n"
        "with lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", code, str(runs.folders.lock)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(lock.BusyError, match=f"digits-cnn is already running there .process {other.pid}."):
            runs()
        assert not runs.folders.latest.exists()
        other.communicate("")
    assert runs() == PUSHED


def test_a_lock_ends_with_the_process_that_holds_it_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "digits-cnn" / ".lock"
    assert not lock.busy(path) and not path.parent.exists()
    code = (
        "import pathlib, sys\n"
        "from modelmill.pipeline.runners.local import lock\n"
        "with lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert lock.busy(path) and path.read_text() == str(other.pid)
        other.kill()
    assert not lock.busy(path) and path.exists()
    with lock.held(path):
        assert lock.busy(path) and path.read_text() == str(os.getpid())
    assert not lock.busy(path)


def test_runs_of_the_same_second_have_ids_of_their_own(tmp_path: Path) -> None:
    from datetime import datetime

    folders, now = Folders(tmp_path, "x"), datetime(2026, 11, 22, 0, 42, 15)
    ids = [RunFolder.create(folders, now).id for _ in range(3)]
    assert ids == ["20261122-004215", "20261122-004215-002", "20261122-004215-003"] == sorted(ids)


def test_an_artifact_that_can_not_be_summed_up(runs: Runs) -> None:
    def build(experiment: Experiment, folders: Folders) -> object:
        return little.pipeline(experiment, folders, [little.broken_report().with_id("compress")])

    assert runs(build=build) == FAILED
    assert "failed: the summary could not be made: JSONDecodeError: " in runs.screen
    # Nor can the report: the screen says why, and what makes it anew.
    again = f"`modelmill report '{runs.folders.latest.resolve()}'` tries again"
    (said,) = (line for line in runs.screen.splitlines() if line.startswith("report    not made: "))
    assert "/trials.json: no JSON (Expecting value: line 1 column 13 (char 12))" in said and again in said
    assert (runs.summary["status"], runs.states()) == ("failed", {"compress": "done"})
