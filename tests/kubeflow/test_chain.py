"""Compiled packages, run task by task as KFP's and Vertex's launchers do: every command of the file in its own process.

`make test-kubeflow` runs the whole digits-cnn in both modes and compares it with a local run; of the everyday tests
only the small chain is part.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data import sample
from pipeline.experiment import SHIPPED, Experiment, load
from pipeline.folders import NODES
from pipeline.runners.kubeflow import command, launcher
from pipeline.runners.kubeflow.targets import Target

pytestmark = pytest.mark.slow

IMAGE = "registry.example/modelmill:test"
SMALL = ["train.epochs=6", "compress.chains=[[dynamic_range]]", "compress.max_drop=0.1", "evaluate.threshold=0.5"]


def compiled(folder: Path, experiment: Experiment, target: Target) -> Path:
    """The file; versions and checkpoints lie in the folder, as on a volume."""
    from pipeline.runners.kubeflow.compiler import compile_experiment

    root = "gs://bucket/root" if target is Target.VERTEX else None
    package = compile_experiment(experiment, target, IMAGE, root)
    path = folder / f"pipeline{package.suffix}"
    package.write(path)
    return path


def placed(folder: Path, *settings: str, source: str = "digits-cnn") -> Experiment:
    """The experiment with its places on a volume in the folder."""
    volume = [
        f"run.cluster.destination={folder / 'volume/pushed'}",
        f"run.cluster.checkpoints={folder / 'volume/checkpoints'}",
    ]
    return load(source, [*settings, *volume])


def show(task: launcher.Task) -> None:
    """pytest -s shows how it goes."""
    print(f"  {task.name:<20} {task.seconds:6.1f} s", flush=True)


def metadata(tasks: dict[str, launcher.Task], node: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = tasks[node].outputs[key]["metadata"]
    return found


@pytest.mark.kubeflow
def test_a_small_chain_twice_on_open_source_kfp(tmp_path: Path) -> None:
    settings = [*SMALL, "run.cluster.data=s3://lake/digits"]
    file = compiled(tmp_path, placed(tmp_path, *settings), Target.KUBEFLOW)
    runs = launcher.LocalLauncher(command.read(file), Target.KUBEFLOW, tmp_path, show)
    sample.materialize("digits", runs.path("s3://lake"))
    tasks = runs.run("run-1")
    # No resolvers there, and examples are augmented online.
    assert set(tasks) == {*NODES, "data"} - {"last-statistics", "augment"}
    assert metadata(tasks, "push", "pushed_model")["pushed"] == 1
    assert metadata(tasks, "baseline", "model")["found"] == 0
    examples = metadata(tasks, "ingest", "examples")
    assert examples["input_fingerprint"].startswith("split:all,num_files:179")
    assert "span" in examples or "custom:span" in examples
    blessing = metadata(tasks, "evaluate", "blessing")
    assert blessing["current_model"] == tasks["train"].outputs["model"]["uri"]
    assert tasks["push"].outputs["pushed_model"]["uri"].startswith("minio://mlpipeline/v2/artifacts/digits-cnn/run-1/")
    assert not list((tmp_path / "volume/checkpoints").glob("*")), "finished trainings leave no checkpoints"

    tasks = runs.run("run-2", {"train_epochs": 5, "seed": 3, "version_label": "spring"})
    assert metadata(tasks, "baseline", "model")["found"] == 1
    assert metadata(tasks, "evaluate", "blessing")["baseline_model"] == tasks["baseline"].outputs["model"]["uri"]
    pushed = metadata(tasks, "push", "pushed_model")
    assert (pushed["pushed_version"], pushed["version_label"]) == ("2", "spring")
    description = json.loads((runs.path(tasks["train"].outputs["model_run"]["uri"]) / "history.json").read_text())
    assert len(_epochs(description)) == 5


def _epochs(history: Any) -> list[Any]:
    """The values of one figure, whichever way the history is written."""
    if isinstance(history, dict):
        return next(_epochs(value) for value in history.values() if isinstance(value, (list, dict)))
    return list(history)


@pytest.mark.kubeflow
def test_what_is_not_blessed_is_refused_at_the_push(tmp_path: Path) -> None:
    file = compiled(tmp_path, placed(tmp_path, *SMALL, "train.epochs=1", "evaluate.threshold=1"), Target.KUBEFLOW)
    runs = launcher.LocalLauncher(command.read(file), Target.KUBEFLOW, tmp_path, show)
    with pytest.raises(command.TaskError, match=r"ended with exit code 3: refused: ") as raised:
        runs.run("run-1")
    assert raised.value.code == 3
    assert not (tmp_path / "volume/pushed/1").exists()


@pytest.mark.kubeflow
def test_a_training_that_is_tried_again_goes_on(tmp_path: Path) -> None:
    """Too little time for all of it: without checkpoints no attempt would ever come to its end."""
    settings = [*SMALL, "train.epochs=40", "train.early_stopping=null"]
    limits = ["run.time_limits={train: 35}", "run.retries={train: 15}"]
    file = compiled(tmp_path, placed(tmp_path, *settings, *limits), Target.KUBEFLOW)
    runs = launcher.LocalLauncher(command.read(file), Target.KUBEFLOW, tmp_path, show)
    tasks = runs.run("run-1", last="train")
    print(f"  {tasks['train'].attempts} attempts")
    assert tasks["train"].attempts > 1
    assert not list((tmp_path / "volume/checkpoints").glob("*"))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of digits-cnn: the test takes a quarter of an hour, in which somebody may edit the file."""
    return Path(shutil.copy(SHIPPED / "digits-cnn.yaml", tmp_path_factory.mktemp("experiment")))


@pytest.fixture(scope="module")
def local(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a local run of digits-cnn pushes."""
    import subprocess
    import sys

    root = tmp_path_factory.mktemp("local")
    command = [sys.executable, "-m", "pipeline", "run", str(experiment), "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return root / "digits-cnn/pushed/1"


@pytest.mark.kubeflow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", list(Target))
def test_digits_cnn_is_the_model_of_a_local_run(target: Target, experiment: Path, local: Path, tmp_path: Path) -> None:
    print(f"\n{target}")
    file = compiled(tmp_path, placed(tmp_path, source=str(experiment)), target)
    runs = launcher.LocalLauncher(command.read(file), target, tmp_path, show)
    tasks = runs.run("run-1")
    pushed = Path(metadata(tasks, "push", "pushed_model")["pushed_destination"])
    trial = json.loads((runs.path(tasks["compress"].outputs["model"]["uri"]) / "trial.json").read_text())
    figures = json.loads(
        (runs.path(tasks["evaluate-compressed"].outputs["evaluation"]["uri"]) / "metrics.json").read_text()
    )
    print(f"  chosen: {trial['label']}, {trial['gzip_bytes']} bytes; test split: {figures['compressed']}")
    assert (pushed / "model.tflite").read_bytes() == (local / "model.tflite").read_bytes()
    assert (pushed / "labels.txt").read_bytes() == (local / "labels.txt").read_bytes()
