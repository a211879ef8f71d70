"""`modelmill runs` and `modelmill clean`, after real runs of the little pipeline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.layout import Folders
from modelmill.pipeline.records import run as results
from modelmill.pipeline.runners.local import lock, retention
from modelmill.pipeline.runners.local.run import PUSHED, Request, run
from tests.pipeline import little


def modelmill(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "modelmill", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)  # type: ignore[call-overload]


def go(root: Path, seed: int, word: str = "") -> int:
    experiment = load("digits-cnn", ["data.sample=null", f"data.path={root}", f"run.seed={seed}"])
    little.misbehave(Folders(root, experiment.name), word)
    return run(Request(experiment, root, ["modelmill"], build=little.build, tell="nothing")).code


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with the seeds 0, 1, 2, a failed one, and 2 again, which is all cached."""
    root = tmp_path_factory.mktemp("runs")
    codes = [go(root, seed, word) for seed, word in ((0, ""), (1, ""), (2, ""), (3, "fail"), (2, ""))]
    assert codes == [0, 0, 0, 1, 0]
    return root


@pytest.fixture
def folders(made: Path, tmp_path: Path) -> Folders:
    """A copy; its metadata store still names the first place, as that of a root that was moved does."""
    shutil.copytree(made, tmp_path / "runs", symlinks=True)
    return Folders(tmp_path / "runs", "digits-cnn")


def outs(folders: Folders) -> int:
    return len(list((folders.artifacts / "train" / "out").iterdir()))


def test_runs_are_listed_with_what_they_came_to(made: Path, tmp_path: Path) -> None:
    lines = modelmill("runs", "--root", made).stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["pushed", "pushed", "pushed", "failed", "pushed"]
    done = modelmill("runs", "digits-cnn", "-n", 2, "--json", "--root", made)
    failed, last = map(json.loads, done.stdout.splitlines())
    assert failed["failure"].startswith("seed 3 does not grow") and failed["pushed"] is None
    assert last["pushed"] == str(made / "digits-cnn" / "pushed" / "1") and Path(last["folder"]).is_dir()
    assert last["id"] > failed["id"]
    for arguments, told in (((), "no runs"), (("digits-cn",), "did you mean digits-cnn")):
        done = modelmill("runs", *arguments, "--root", tmp_path if not arguments else made)
        assert done.returncode == 2 and told in done.stderr
    with lock.held(Folders(made, "digits-cnn").lock):
        summary = Path(last["folder"], "summary.json")
        summary.rename(summary.with_suffix(".aside"))
        assert modelmill("runs", "--root", made).stdout.splitlines()[-1].split()[1] == "running"
        summary.with_suffix(".aside").rename(summary)


def test_a_dry_run_deletes_nothing_and_nobody_is_asked_in_vain(folders: Folders) -> None:
    before = sorted(folders.root.rglob("*"))
    for arguments in (["--dry-run"], ["--dry-run", "--json"], []):
        done = modelmill("clean", "--keep", 1, *arguments, "--root", folders.root, input="")
        assert done.returncode == (0 if arguments else 2)
        assert "--yes" in done.stderr or arguments
    assert sorted(folders.root.rglob("*")) == before
    plain = modelmill("clean", "--keep", 1, "--dry-run", "--json", "--root", folders.root).stdout
    items = [json.loads(line) for line in plain.splitlines()]
    assert {item["kind"] for item in items} == {"run", "artifact"} and all(item["bytes"] >= 0 for item in items)


def test_young_runs_old_checkpoints_and_leftovers(folders: Folders) -> None:
    now = datetime.now()
    assert not retention.plan(folders, 1, 1, now).items
    assert retention.plan(folders, 1, 1, now + timedelta(days=2)).items
    for name in ("checkpoints/old/state", "checkpoints/new/state", ".deleted/half/file"):
        (folders.experiment / name).parent.mkdir(parents=True)
        (folders.experiment / name).write_text("x" * 10)
    for path in (folders.experiment / "checkpoints" / "old" / "state", folders.experiment / "checkpoints" / "old"):
        os.utime(path, (0, 0))
    found = retention.carry_out(folders, 5, None, now)
    assert [(item.kind, item.path.name, item.bytes) for item in found.items] == [
        ("checkpoint", "old", 10),
        ("leftover", "half", 10),
    ]
    assert sorted(path.name for path in folders.experiment.iterdir() if path.name in ("checkpoints", ".deleted")) == [
        "checkpoints"
    ]
    assert [path.name for path in (folders.experiment / "checkpoints").iterdir()] == ["new"]


def test_what_is_at_work_is_left_alone_and_so_is_what_is_no_run(folders: Folders) -> None:
    project = folders.experiment / "project"
    project.mkdir()
    (project / "experiment.yaml").write_text("mine: 1\n")
    code = (
        "import pathlib, sys\n"
        "from modelmill.pipeline.runners.local import lock\n"
        "with lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folders.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        done = modelmill("clean", "--keep", 1, "--yes", "--root", folders.root)
        assert "left alone: digits-cnn is already running there" in done.stderr and outs(folders) == 3
        other.communicate("")
    assert modelmill("clean", "--keep", 1, "--yes", "--root", folders.root).returncode == 0
    assert outs(folders) == 1 and (project / "experiment.yaml").is_file()


def test_without_run_folders_nothing_tells_what_is_needed(folders: Folders) -> None:
    for run_ in results.every(folders.root):
        shutil.rmtree(run_.folder)
    assert not retention.plan(folders, 1, None, datetime.now()).items


def test_after_it_the_kept_run_is_still_all_cached(made: Path) -> None:
    """In place, since the cache goes by the places in the metadata store, and so the last one here."""
    folders = Folders(made, "digits-cnn")
    kept = {run.id for run in results.every(made)[-3:]}  # the failed one and two that pushed
    assert outs(folders) == 3
    done = modelmill("clean", "--keep", 1, "--yes", "--root", made)
    assert done.returncode == 0 and "3 runs, 4 artifacts" in done.stdout
    left = results.every(made)
    assert {run.id for run in left} == {run.id for run in left if run.pushed} and {one.id for one in left} < kept
    assert outs(folders) == 1 and (folders.pushed / "1" / "two.txt").is_file()
    for run_ in left:
        links = list((run_.folder / "links").glob("*/*"))
        assert links and all(link.exists() for link in links)
    assert go(made, 2) == PUSHED
    assert {node.state for node in results.every(made)[-1].nodes} == {"cached"}
    assert not modelmill("clean", "--keep", 1, "--yes", "--root", made).stdout.startswith("digits-cnn: 2")
    assert go(made, 0) == PUSHED  # what was deleted is made again
    assert {node.id: node.state for node in results.every(made)[-1].nodes}["train"] == "done"
