"""The Trainer learns, repeats itself, goes on after a kill, and serves what it trained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components import artifacts
from modelmill.components.models.export import model_store
from modelmill.components.models.families import cnn
from modelmill.components.models.training import strategy
from modelmill.components.models.training.dataset import Examples
from modelmill.components.train import job
from modelmill.components.train.config import TrainConfig
from modelmill.data import modality
from modelmill.data.core import subprocess_job
from modelmill.data.modalities.image.config import ImageConfig, ImagePolicy

image = modality.look_up("image")


@pytest.fixture
def work(
    tmp_path: Path, prepared: SimpleNamespace, image_config: ImageConfig, files: dict[str, list[str]]
) -> dict[str, Any]:
    """A job for modelmill.components.train.job."""
    (graph,) = prepared.transform.outputs["transform_graph"].get()
    return {
        "data": image_config.model_dump(mode="json"),
        "augment": image.Policy(rotation=5, brightness=0.1).model_dump(),
        "model": cnn.CnnConfig(filters=(4,), dense=(8,)).model_dump(mode="json"),
        "train": TrainConfig(epochs=3, batch=16).model_dump(mode="json"),
        "seed": 1,
        "files": {split: files[split] for split in ("train", "eval")},
        "transform_graph": graph.uri,
        "serving": str(tmp_path / "serving"),
        "rebuild": str(tmp_path / "rebuild"),
        "model_run": str(tmp_path / "run"),
        "checkpoints": str(tmp_path / "checkpoints"),
    }


def history(work: dict[str, Any]) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = json.loads(Path(work["model_run"], "history.json").read_text())
    return rows


def test_it_learns_and_what_is_served_answers_right(trained: Any, prepared: SimpleNamespace) -> None:
    (model,) = trained.outputs["model"].get()
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures
    (examples,) = prepared.ingest.outputs["examples"].get()
    records = [r.numpy() for r in tf.data.TFRecordDataset(tf.io.gfile.glob(f"{examples.uri}/Split-test/*"), "GZIP")]
    raw = [tf.train.Example.FromString(record).features.feature for record in records]
    images = tf.constant([features["image"].bytes_list.value[0] for features in raw])
    labels = [features["label"].bytes_list.value[0] for features in raw]
    answers = served["serving_default"](image=images)
    assert np.mean(answers["label"].numpy() == labels) >= 0.95
    np.testing.assert_allclose(np.sum(answers["probabilities"], axis=1), 1, atol=1e-5)
    by_example = served["evaluate"](examples=tf.constant(records))["probabilities"]
    np.testing.assert_allclose(by_example, answers["probabilities"], atol=1e-6)
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    indices = served["transform_features"](examples=tf.constant(records))["label"].numpy()
    assert [stored.spec.labels[index].encode() for index in indices] == labels
    together = served["record"](examples=tf.constant(records))
    assert set(together) == {"answer", "label", "inputs"}
    np.testing.assert_array_equal(together["label"], indices)
    np.testing.assert_array_equal(together["answer"], by_example)
    np.testing.assert_array_equal(together["inputs"], served["preprocess"](image=images)["inputs"])


def test_what_is_served_is_never_augmented(trained: Any, prepared: SimpleNamespace, image_folder: Path) -> None:
    (model,) = trained.outputs["model"].get()
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures
    content = (image_folder / "rows" / "0.png").read_bytes()
    inputs = [served["preprocess"](image=tf.constant([content]))["inputs"].numpy() for _ in range(3)]
    for found in inputs:
        np.testing.assert_array_equal(found[0], tf.io.decode_png(content).numpy())


def test_eval_and_test_are_never_augmented(trained: Any, files: dict[str, list[str]]) -> None:
    (model,) = trained.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    for split in ("eval", "test"):
        examples = Examples(files[split], stored.spec, 7)
        raw = np.stack([inputs for inputs, _ in examples.raw().as_numpy_iterator()])
        plain = np.concatenate([inputs for inputs, _ in examples.plain().as_numpy_iterator()])
        np.testing.assert_allclose(plain, modality.normalise(raw, stored.spec), atol=1e-6)


def test_training_passes_are_augmented_repeatable_and_differ_by_epoch(
    trained: Any, files: dict[str, list[str]]
) -> None:
    (model,) = trained.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))

    def run(policy: ImagePolicy, seed: int, epoch: int) -> np.ndarray:
        passed = Examples(files["train"], stored.spec, 16).training(policy, seed, epoch)
        return np.concatenate([inputs for inputs, _ in passed.as_numpy_iterator()])

    policy = image.Policy(rotation=20)
    np.testing.assert_array_equal(run(policy, 3, 1), run(policy, 3, 1))
    assert np.any(run(policy, 3, 1) != run(policy, 3, 2))
    assert np.any(run(policy, 3, 1) != run(policy, 4, 1))
    off = run(image.Policy(rotation=20, strength=0), 3, 1)
    np.testing.assert_array_equal(off, run(image.Policy(), 3, 1))
    assert np.any(off != run(policy, 3, 1))


def test_the_same_seed_gives_the_same_model(work: dict[str, Any], tmp_path: Path) -> None:
    weights = []
    for name in ("first", "second"):
        again = {
            **work,
            **{key: str(tmp_path / name / key) for key in ("serving", "rebuild", "model_run", "checkpoints")},
        }
        subprocess_job.run("modelmill.components.train.job", again)
        _, model = model_store.load(Path(again["rebuild"]))
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_killed_training_goes_on_where_it_was(work: dict[str, Any], tmp_path: Path) -> None:
    work["train"]["epochs"] = 200
    work["train"]["schedule"] = {"name": "cosine"}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(work))
    state = Path(work["checkpoints"], "state.json")
    killed = subprocess.Popen(
        [sys.executable, "-m", "modelmill.components.train.job", str(path)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (state.exists() and len(json.loads(state.read_text())["history"]) >= 3):
        assert killed.poll() is None, "the training ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = json.loads(state.read_text())["history"]
    assert not Path(work["serving"]).exists()
    # The same job goes on: the epochs that were done stay as they were, and the rest is trained.
    work["train"]["epochs"] = len(before) + 2
    subprocess_job.run("modelmill.components.train.job", work)
    after = history(work)
    assert len(after) == len(before) + 2
    assert after[: len(before)] == before


def test_early_stopping_keeps_the_best_weights(work: dict[str, Any], files: dict[str, list[str]]) -> None:
    # A rate that ruins the model after the first epochs: the best epoch is not the last.
    work["train"].update(epochs=30, early_stopping={"patience": 2}, optimizer={"name": "sgd", "learning_rate": 0.5})
    job.run(work)
    rows = history(work)
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    stored, model = model_store.load(Path(work["rebuild"]))
    model.compile(metrics=["accuracy"], loss="sparse_categorical_crossentropy")
    plain = Examples(files["eval"], stored.spec, 16).plain()
    answers = np.concatenate(
        [model(inputs).numpy().argmax(1) == labels for inputs, labels in plain.as_numpy_iterator()]
    )
    assert np.mean(answers) == pytest.approx(best["val_accuracy"])
    assert len(rows) < 30
    assert rows.index(best) == len(rows) - 3


def test_a_loss_that_is_no_number_says_what_to_do(work: dict[str, Any]) -> None:
    work["train"].update(epochs=5, optimizer={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(FloatingPointError, match=r"train\.optimizer\.learning_rate"):
        job.run(work)


def test_mirrored_trains_on_two_logical_devices_in_a_child(work: dict[str, Any]) -> None:
    work["train"]["epochs"] = 6
    work["train"]["optimizer"] = {"name": "adam", "learning_rate": 0.01}
    work["train"].update(batch=None, batch_per_replica=8, precision="mixed_bfloat16", class_weights="balanced")
    work["train"]["strategy"] = {"name": "mirrored", "devices": 2}
    subprocess_job.run("modelmill.components.train.job", work)
    rows = history(work)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["val_accuracy"] > 0.6
    assert model_store.load(Path(work["rebuild"]))[0].batch == 16


def test_xla_trains_in_mixed_precision_and_with_class_weights(work: dict[str, Any]) -> None:
    work["train"].update(epochs=4, optimizer={"name": "adam", "learning_rate": 0.01})
    work["train"].update(xla=True, precision="mixed_bfloat16", class_weights="balanced")
    subprocess_job.run("modelmill.components.train.job", work)
    rows = history(work)
    assert rows[-1]["loss"] < rows[0]["loss"]
    stored, _ = model_store.load(Path(work["rebuild"]))
    assert stored.class_weights is not None and min(stored.class_weights) > 0.8


def test_xla_on_several_devices_is_refused() -> None:
    with pytest.raises(ValueError, match="xla works on one device only"):
        TrainConfig.model_validate({"xla": True, "strategy": {"name": "mirrored"}})
    chosen, why = strategy.choose(strategy.DEFAULT, 2, xla=True)
    assert chosen.name == "one_device" and why == "xla works on one device only (this machine has 2 GPUs)"


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_penalties_reach_every_kernel_of_a_family(trained: Any, penalty: str) -> None:
    from modelmill.components.models import family

    (model,) = trained.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    made = family.build(cnn.CnnConfig(filters=(4,), dense=(8,), **{penalty: 0.1}), stored.spec)
    kernels = [layer.kernel.numpy() for layer in made.layers if hasattr(layer, "kernel")]
    expected = sum(0.1 * float(np.sum(np.abs(k) if penalty == "l1" else k**2)) for k in kernels)
    assert len(made.losses) == len(kernels)
    assert float(sum(made.losses)) == pytest.approx(expected, rel=1e-4)
