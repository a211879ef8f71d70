"""Compiled packages, run by Kubeflow's own driver and launcher; `make test-kubeflow-real`, docs/kubeflow.md.

What a cluster does besides, and what nothing here shows: it pulls the image, schedules pods by their resources and
selectors, mounts real volumes, and its API server hands the package to Argo.
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

from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import SHIPPED
from modelmill.pipeline.layout import NODES
from tests.kubeflow.real import cluster as clusters
from tests.kubeflow.real import object_store
from tests.kubeflow.real.lineage import Lineage
from tests.kubeflow.real.package import Package
from tests.kubeflow.real.workflow import Run, TaskFailedError

# `kubeflow`, so that whoever leaves those tests out leaves these out, too.
pytestmark = [pytest.mark.kubeflow, pytest.mark.kubeflow_real, pytest.mark.timeout(5400)]

OWN = Path(__file__).resolve().parents[3] / "docs/examples/own/plugins"
IMAGE = "registry.example/modelmill:test"
# As digits-cnn in all that differs between a cluster and a machine, in less time.
SHORTER = ["train.epochs=6", "compress.chains=[[dynamic_range]]", "compress.max_drop=0.1", "evaluate.threshold=0.5"]
VOLUME = {"claim": "work", "path": "/mnt/work"}
PLACES = {"destination": "/mnt/work/models", "checkpoints": "/mnt/work/checkpoints"}
ON_A_VOLUME = [f"run.kubernetes.default={json.dumps({'volumes': [VOLUME]})}", f"run.cluster={json.dumps(PLACES)}"]
DATA = "minio://mlpipeline/data/stripes"
SMALL = f"""
name: small
data: {{modality: image, path: ".", height: 12, width: 12, channels: 1}}
validate: {{skew: 1, drift: 0.5}}
augment: {{mode: materialized, copies: 2, brightness: 0.1}}
model: {{family: cnn, filters: [4], dense: [8]}}
train: {{epochs: 12, optimizer: {{learning_rate: 0.01}}}}
evaluate: {{threshold: 0.4, max_regression: 1}}
compress: {{chains: [[dynamic_range]], max_drop: 1, margin: 1}}
run:
  cluster: {{data: "{DATA}", destination: /mnt/work/models, checkpoints: /mnt/work/checkpoints}}
  kubernetes:
    default: {{volumes: [{{claim: work, path: /mnt/work}}]}}
    train:
      node_selector: {{pool: gpu}}
      tolerations: [{{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}}]
      shared_memory: 2Gi
      secrets: [{{name: keys, env: {{token: API_TOKEN}}}}]
  resources: {{default: {{cpu: 1, memory: 2G}}, train: {{cpu: 2, memory: 4G}}}}
  retries: {{default: 1}}
"""


def modelmill(*words: str | Path) -> str:
    """Return what a command writes."""
    done = subprocess.run([sys.executable, "-m", "modelmill", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compiled(folder: Path, source: Path, *settings: str) -> Package:
    """Return the package of an experiment."""
    path = folder / f"{source.stem}-package.yaml"
    sets = [word for setting in settings for word in ("--set", setting)]
    modelmill("compile", source, "--target", "kubeflow", "--image", IMAGE, "-o", path, *sets)
    return Package(path)


def small(folder: Path, *settings: str) -> Package:
    """Return the package of the small experiment, its data an object store's."""
    source = folder / "small.yaml"
    source.write_text(SMALL)
    return compiled(folder, source, *settings)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Iterator[clusters.Cluster]:
    """One cluster for all, with data in its object store."""
    needed = clusters.missing()
    if needed:
        pytest.fail(needed, pytrace=False)
    with clusters.Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.store.upload(image_folder, DATA)
        cluster.kubernetes.secret("keys", {"token": "secret"})
        yield cluster


@pytest.fixture
def work(cluster: clusters.Cluster) -> Path:
    """An empty volume."""
    folder = cluster.claim("work")
    for path in folder.iterdir():
        shutil.rmtree(path)
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of digits-cnn: the test takes minutes, in which somebody may edit the file."""
    return Path(shutil.copy(SHIPPED / "digits-cnn.yaml", tmp_path_factory.mktemp("experiment")))


def test_digits_cnn_pushes_the_model_of_a_local_run(
    cluster: clusters.Cluster, work: Path, digits: Path, tmp_path: Path
) -> None:
    run = Run(cluster, compiled(tmp_path, digits, *SHORTER, *ON_A_VOLUME))
    tasks = run.start()
    assert set(tasks) == set(NODES) - {"augment"}
    lineage = Lineage(cluster.metadata_port, run.id)
    assert {lineage.state(name) for name in tasks} == {"COMPLETE"}
    assert all("executor-logs" in lineage.outputs(name) for name in tasks)
    pushed = lineage.outputs("push")["pushed_model"]
    assert (pushed.type, pushed.metadata["pushed_version"]) == ("tfx.PushedModel", "1")

    sets = [word for setting in SHORTER for word in ("--set", setting)]
    modelmill("run", digits, "--root", tmp_path / "local", *sets)
    local = tmp_path / "local/digits-cnn/pushed/1"
    for name in ("model.tflite", "labels.txt"):
        assert (work / "models/1" / name).read_bytes() == (local / name).read_bytes()

    cluster.store.download(f"{clusters.ROOT}/digits-cnn/{run.id}", tmp_path / "fetched")
    page = modelmill("report", tmp_path / "fetched", "--experiment", "digits-cnn", "--root", tmp_path / "runs")
    assert "digits-cnn" in page


@pytest.fixture(scope="module")
def first(cluster: clusters.Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, Run]:
    """A package of the small experiment with a family of its user's, and its first run."""
    shutil.rmtree(cluster.claim("work"))
    settings = [f"plugins={OWN}", "model={family: plain, widths: [16]}"]
    package = small(tmp_path_factory.mktemp("small"), *settings)
    run = Run(cluster, package, image={plugins.ENV: str(OWN)})
    run.start()
    return package, run


def test_data_of_an_importer_is_augmented_and_trains_a_family_of_ones_own(
    cluster: clusters.Cluster, first: tuple[Package, Run]
) -> None:
    _, run = first
    assert set(run.tasks) == {*NODES, "data"}
    lineage = Lineage(cluster.metadata_port, run.id)
    assert lineage.outputs("data")["artifact"].uri == DATA
    assert lineage.outputs("ingest")["examples"].metadata["input_fingerprint"].startswith("split:all,num_files:180")
    assert (cluster.claim("work") / "models/1/model.tflite").is_file()
    assert lineage.outputs("baseline")["model"].metadata["found"] == 0
    assert lineage.outputs("last-statistics")["statistics"].metadata["found"] == 0


def test_data_of_another_bucket_is_fetched_with_the_credentials_of_the_pod(
    cluster: clusters.Cluster, image_folder: Path, tmp_path: Path
) -> None:
    cluster.store.upload(image_folder, "s3://lake/stripes")
    names = {"user": "AWS_ACCESS_KEY_ID", "password": "AWS_SECRET_ACCESS_KEY", "region": "AWS_REGION"}
    names["endpoint"] = "AWS_ENDPOINT_URL"
    access = (object_store.ACCESS_KEY, object_store.SECRET_KEY, object_store.REGION, f"http://{cluster.store.endpoint}")
    cluster.kubernetes.secret("lake", dict(zip(names, access, strict=True)))
    ingest = {"volumes": [VOLUME], "secrets": [{"name": "lake", "env": names}]}
    settings = ["run.cluster.data=s3://lake/stripes", f"run.kubernetes.ingest={json.dumps(ingest)}", "run.retries={}"]
    run = Run(cluster, small(tmp_path, *settings))
    run.start(last="ingest")
    examples = Lineage(cluster.metadata_port, run.id).outputs("ingest")["examples"]
    assert examples.metadata["input_fingerprint"].startswith("split:all,num_files:180")
    # An importer's artifact is opened with nothing of the ConfigMap `kfp-launcher`.
    run = Run(cluster, small(tmp_path, *settings, f"run.kubernetes.ingest={json.dumps({'volumes': [VOLUME]})}"))
    with pytest.raises(TaskFailedError, match="failed to list objects in remote storage"):
        run.start(last="ingest")


def test_the_driver_takes_over_resources_and_volumes(first: tuple[Package, Run]) -> None:
    _, run = first
    for node, cpu, memory in (("train", "2", "4G"), ("push", "1", "2G")):
        (main,) = run.tasks[node].pod_spec["containers"]
        assert main["resources"]["limits"] == {"cpu": cpu, "memory": memory}
        assert VOLUME["path"] in [one["mountPath"] for one in main["volumeMounts"]]
    pod = run.tasks["train"].pod_spec
    (main,) = pod["containers"]
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    (memory_volume,) = [one for one in pod["volumes"] if "emptyDir" in one]
    assert memory_volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert "/dev/shm" in [one["mountPath"] for one in main["volumeMounts"]]
    assert "API_TOKEN" in [one["name"] for one in main["env"]]


def test_a_scheduled_run_finds_the_baseline_and_writes_below_its_own_root(
    cluster: clusters.Cluster, first: tuple[Package, Run], image_folder: Path, tmp_path: Path
) -> None:
    package, _ = first
    shutil.copytree(image_folder, tmp_path / "later")
    for path in (tmp_path / "later/rows").glob("1*.png"):
        path.unlink()
    cluster.store.upload(tmp_path / "later", "minio://mlpipeline/data/later")
    run = Run(cluster, package, image={plugins.ENV: str(OWN)})
    # The parameters and the root of a schedule come to the driver as those of any run do.
    parameters = {"data_path": "minio://mlpipeline/data/later", "train_epochs": 13, "version_label": "spring"}
    tasks = run.start(parameters, root="minio://mlpipeline/other/root")
    lineage = Lineage(cluster.metadata_port, run.id)
    assert lineage.outputs("baseline")["model"].metadata["found"] == 1
    assert lineage.outputs("last-statistics")["statistics"].metadata["found"] == 1
    pushed = lineage.outputs("push")["pushed_model"]
    assert (pushed.metadata["pushed_version"], pushed.metadata["version_label"]) == ("2", "spring")
    assert pushed.uri.startswith(f"minio://mlpipeline/other/root/small/{run.id}/push/")
    # `ingest` is never cached, and the names of its new examples are in the keys of all that comes after it.
    assert all(task.attempts == 1 for task in tasks.values())


def test_a_refused_gate_fails_the_run_as_often_as_it_may_be_tried(
    cluster: clusters.Cluster, work: Path, tmp_path: Path
) -> None:
    unlearned = ["train.epochs=1", "train.optimizer.learning_rate=0.000001", "evaluate.threshold=0.9"]
    run = Run(cluster, small(tmp_path, *unlearned, "augment=null", "run.retries={push: 1}"))
    with pytest.raises(TaskFailedError, match="refused: not pushed: ") as raised:
        run.start()
    # The launcher ends with 1, whatever the container's exit code is.
    assert (raised.value.task, raised.value.code, run.tasks["push"].attempts) == ("push", 1, 2)
    assert not (work / "models/1").exists()
    lineage = Lineage(cluster.metadata_port, run.id)
    assert lineage.state("push") == "FAILED"
    log = lineage.outputs("push")["executor-logs"]
    assert b"exit status 3" not in cluster.store.read(log.uri)
    assert b"refused: not pushed: " in cluster.store.read(log.uri)


def test_a_training_whose_pod_is_killed_goes_on_in_the_next(
    cluster: clusters.Cluster, work: Path, tmp_path: Path
) -> None:
    over = threading.Event()

    def started(task: str, process: subprocess.Popen[Any]) -> None:
        def kill() -> None:
            while not list((work / "checkpoints").glob("*/state.json")):
                if over.wait(0.02):
                    return
            over.set()  # the next attempt is left alone
            os.kill(process.pid, signal.SIGKILL)

        if task == "train" and not over.is_set():
            threading.Thread(target=kill, daemon=True).start()

    settings = ["train.epochs=40", "train.early_stopping=null", "augment=null", "run.retries={train: 1}"]
    run = Run(cluster, small(tmp_path, *settings), started=started)
    try:
        tasks = run.start(last="train")
    finally:
        over.set()
    assert tasks["train"].attempts == 2
    assert "training goes on after epoch" in run.log("train", 1).read_text()
    assert not list((work / "checkpoints").glob("*"))
    assert Lineage(cluster.metadata_port, run.id).outputs("train")["executor-logs"].uri.endswith("executor-logs-1")
