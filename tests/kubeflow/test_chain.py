"""Compiled packages, run task by task as KFP's and Vertex's launchers do.

`make test-kubeflow` runs digits-cnn in both modes, each container's command as it stands in the file in a Python of its
own, and compares what is pushed with a local run. What else is to be seen of a chain is seen on a small one, whose
processes are forked from a Python that has loaded TFX; its first run is part of the everyday tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelmill.pipeline.experiment.experiment import SHIPPED, Experiment, load
from modelmill.pipeline.layout import NODES
from modelmill.pipeline.runners.kubeflow.compile import spec_file
from modelmill.pipeline.runners.kubeflow.emulator import container_command, launcher
from modelmill.pipeline.runners.kubeflow.platform_base import Platform, look_up, names
from tests.kubeflow.warm import WarmPython

pytestmark = pytest.mark.slow

KUBEFLOW = look_up("kubeflow")
IMAGE = "registry.example/modelmill:test"
# As digits-cnn in all that differs between a cluster and a machine, in less time.
SHORTER = ["train.epochs=6", "compress.chains=[[dynamic_range]]", "compress.max_drop=0.1", "evaluate.threshold=0.5"]
SMALL = """
name: small
data: {modality: image, path: ".", height: 12, width: 12, channels: 1}
validate: {skew: 1, drift: 0.5}
model: {family: cnn, filters: [4], dense: [8]}
train: {epochs: 12, optimizer: {learning_rate: 0.01}}
evaluate: {threshold: 0.4, max_regression: 1}
compress: {chains: [[dynamic_range]], max_drop: 1, margin: 1}
run: {cluster: {data: "s3://lake/stripes"}}
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmPython]:
    with WarmPython() as warm:
        yield warm


def launched(folder: Path, experiment: Experiment, platform: Platform, **more: Any) -> launcher.LocalLauncher:
    """A launcher for the experiment's compiled file, both in the folder."""
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    package = compile_experiment(experiment, platform, IMAGE, None if platform.DEFAULT_ROOT else "gs://bucket/root")
    path = folder / f"pipeline{package.suffix}"
    package.write(path)
    return launcher.LocalLauncher(spec_file.read(path), platform, folder, show, **more)


def placed(folder: Path, source: Path, *settings: str) -> Experiment:
    """The experiment, with what outlives a run in the folder, as on a volume."""
    volume = [f"run.cluster.{name}={folder / 'volume' / name}" for name in ("destination", "checkpoints")]
    return load(str(source), [*settings, *volume])


def small(folder: Path, data: Path, warm: WarmPython, *settings: str) -> launcher.LocalLauncher:
    """The small experiment on open-source KFP, its data in an object store."""
    source = folder / "small.yaml"
    source.write_text(SMALL)
    runs = launched(folder, placed(folder, source, *settings), KUBEFLOW, execute=warm)
    shutil.copytree(data, runs.path("s3://lake/stripes"))
    return runs


def said_input(log: Path) -> dict[str, Any]:
    """The ExecutorInput that a task has written into its log."""
    line = log.read_text().partition("ExecutorInput (for `modelmill run-node`): ")[2].partition("\n")[0]
    found: dict[str, Any] = json.loads(line)
    return found


def show(task: launcher.Task) -> None:
    """pytest -s shows how it goes."""
    print(f"  {task.name:<20} {task.seconds:6.1f} s", flush=True)


def metadata(tasks: dict[str, launcher.Task], node: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = tasks[node].outputs[key]["metadata"]
    return found


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, warm: WarmPython
) -> tuple[Path, launcher.LocalLauncher, dict[str, launcher.Task]]:
    """The folder of a launcher, itself, and what became of its first run."""
    folder = tmp_path_factory.mktemp("small")
    runs = small(folder, image_folder, warm)
    return folder, runs, runs.run("run-1")


def test_a_small_chain_on_open_source_kfp(first: tuple[Path, Any, dict[str, launcher.Task]]) -> None:
    folder, _, tasks = first
    assert set(tasks) == {*NODES, "data"} - {"augment"}, "examples are augmented online"
    pushed = metadata(tasks, "push", "pushed_model")
    assert (pushed["pushed"], pushed["pushed_destination"]) == (1, str(folder / "volume/destination/1"))
    assert (folder / "volume/destination/1/model.tflite").is_file()
    assert metadata(tasks, "baseline", "model")["found"] == 0
    assert metadata(tasks, "last-statistics", "statistics")["found"] == 0
    examples = metadata(tasks, "ingest", "examples")
    assert examples["input_fingerprint"].startswith("split:all,num_files:180")
    assert "span" in examples or "custom:span" in examples
    blessing = metadata(tasks, "evaluate", "blessing")
    assert blessing["current_model"] == tasks["train"].outputs["model"]["uri"]
    assert tasks["push"].outputs["pushed_model"]["uri"].startswith("minio://mlpipeline/v2/artifacts/small/run-1/")
    assert not list((folder / "volume/checkpoints").glob("*")), "finished trainings leave no checkpoints"
    outputs = said_input(folder / "logs/run-1/train.txt")["outputs"]["artifacts"]
    assert KUBEFLOW.LOG_OUTPUT in outputs, "every task had the output that KFP's driver adds"


@pytest.mark.kubeflow
def test_one_node_runs_here_again_with_the_input_of_its_log(first: tuple[Path, Any, Any]) -> None:
    folder, _, _ = first
    log = (folder / "logs/run-1/data-gate.txt").read_text()
    (folder / "input.json").write_text(
        log.partition("ExecutorInput (for `modelmill run-node`): ")[2].partition("\n")[0]
    )
    given = ["--task", "data-gate", "--executor-input", f"@{folder / 'input.json'}"]
    words = [sys.executable, "-m", "modelmill", "run-node", str(folder / "pipeline.yaml"), *given]
    for mounts, code in ((folder / "pods/run-1/data-gate", 0), (folder / "nothing", 1)):
        done = subprocess.run([*words, "--mounts", str(mounts)], capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
    assert "FeatureStats.pb" in done.stderr.splitlines()[-1]


@pytest.mark.kubeflow
def test_the_next_run_goes_by_other_parameters_and_by_what_the_last_one_left(first: tuple[Path, Any, Any]) -> None:
    _, runs, _ = first
    for path in sorted(runs.path("s3://lake/stripes/rows").glob("1*.png")):
        path.unlink()
    runs.input_type = launcher.GENERIC  # as kfp.local hands inputs over
    tasks = runs.run("run-2", {"train_epochs": 5, "seed": 3, "version_label": "spring"})
    assert metadata(tasks, "last-statistics", "statistics")["found"] == 1
    verdict = json.loads((runs.path(tasks["data-gate"].outputs["verdict"]["uri"]) / "gates.json").read_text())
    assert any(gate["metric"] == "drift" and gate["value"] > 0 for gate in verdict)
    assert metadata(tasks, "baseline", "model")["found"] == 1
    assert metadata(tasks, "evaluate", "blessing")["baseline_model"] == tasks["baseline"].outputs["model"]["uri"]
    pushed = metadata(tasks, "push", "pushed_model")
    assert (pushed["pushed_version"], pushed["version_label"]) == ("2", "spring")
    history = json.loads((runs.path(tasks["train"].outputs["model_run"]["uri"]) / "history.json").read_text())
    assert len(history) == 5


@pytest.mark.kubeflow
def test_what_is_not_blessed_is_refused_at_the_push(tmp_path: Path, image_folder: Path, warm: WarmPython) -> None:
    unlearned = ["train.epochs=1", "train.optimizer.learning_rate=0.000001", "evaluate.threshold=0.9"]
    runs = small(tmp_path, image_folder, warm, *unlearned)
    with pytest.raises(container_command.TaskError, match=r"push ended with exit code 3: refused: ") as raised:
        runs.run("run-1")
    assert raised.value.code == 3
    assert not (tmp_path / "volume/destination/1").exists()


@pytest.mark.kubeflow
def test_a_training_whose_pod_is_killed_goes_on_in_the_next(
    tmp_path: Path, image_folder: Path, warm: WarmPython
) -> None:
    settings = ["train.epochs=40", "train.early_stopping=null", "run.retries={train: 1}"]
    runs = small(tmp_path, image_folder, warm, *settings)
    over = threading.Event()

    def kill() -> None:
        while not list((tmp_path / "volume/checkpoints").glob("*/state.json")):
            if over.wait(0.02):
                return
        os.kill(warm.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        tasks = runs.run("run-1", last="train")
    finally:
        over.set()
        killer.join()
    assert tasks["train"].attempts == 2
    assert "training goes on after epoch" in (tmp_path / "logs/run-1/train.txt").read_text()
    assert not list((tmp_path / "volume/checkpoints").glob("*"))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of digits-cnn: the test takes minutes, in which somebody may edit the file."""
    return Path(shutil.copy(SHIPPED / "digits-cnn.yaml", tmp_path_factory.mktemp("experiment")))


@pytest.fixture(scope="module")
def local(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a local run pushes."""
    root = tmp_path_factory.mktemp("local")
    sets = [word for setting in SHORTER for word in ("--set", setting)]
    words = [sys.executable, "-m", "modelmill", "run", str(experiment), "--root", str(root), *sets]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "digits-cnn/pushed/1"


@pytest.mark.kubeflow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", names())
def test_digits_cnn_is_the_model_of_a_local_run(name: str, experiment: Path, local: Path, tmp_path: Path) -> None:
    print(f"\n{name}")
    runs = launched(tmp_path, placed(tmp_path, experiment, *SHORTER), look_up(name))
    tasks = runs.run("run-1")
    pushed = Path(metadata(tasks, "push", "pushed_model")["pushed_destination"])
    trial = json.loads((runs.path(tasks["compress"].outputs["model"]["uri"]) / "trial.json").read_text())
    figures = json.loads(
        (runs.path(tasks["evaluate-compressed"].outputs["evaluation"]["uri"]) / "metrics.json").read_text()
    )
    print(f"  chosen: {trial['label']}, {trial['gzip_bytes']} bytes; test split: {figures['compressed']}")
    assert (pushed / "model.tflite").read_bytes() == (local / "model.tflite").read_bytes()
    assert (pushed / "labels.txt").read_bytes() == (local / "labels.txt").read_bytes()
    assert all("outputFile" in said_input(log)["outputs"] for log in (tmp_path / "logs/run-1").iterdir())
