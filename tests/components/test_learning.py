"""How a model learns: rates, precision, XLA, class weights, batches, devices, and that a kill changes none of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from pydantic import ValidationError

from modelmill.components import artifacts
from modelmill.components.models import family, networks
from modelmill.components.models.export import model_store
from modelmill.components.models.families import cnn
from modelmill.components.models.training import (
    class_weights,
    driver,
    epoch_progress,
    optimizer,
    passes,
    strategy,
    tensorboard,
)
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.components.train import executor
from modelmill.data import modality
from modelmill.data.core import progress

image = modality.look_up("image")


@pytest.fixture(scope="module")
def examples(trained: Any, prepared: SimpleNamespace) -> dict[str, Examples]:
    (model,) = trained.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    (transformed,) = prepared.transform.outputs["transformed_examples"].get()
    return {
        split: Examples([str(path) for path in Path(transformed.uri, f"Split-{split}").iterdir()], stored.spec, 16)
        for split in ("train", "eval")
    }


def learn(examples: dict[str, Examples], folder: Path, learning: LearningConfig, **more: Any) -> Any:
    """A small training on one device."""
    tf_keras.utils.set_random_seed(1)
    found, history = driver.train(
        build=lambda: family.build(cnn.CnnConfig(filters=(4,), dense=(8,)), examples["train"].spec),
        examples=examples,
        learning=learning,
        policy=image.Policy(brightness=0.1),
        seed=1,
        strategy=tf.distribute.get_strategy(),
        checkpoints=folder,
        **more,
    )
    return networks.only(found), history


def rates(schedule: dict[str, Any], epochs: int = 10, steps: int = 4) -> list[float]:
    """The rate of the first step of each epoch, and of the last step of all."""
    learning = LearningConfig(epochs=epochs, optimizer={"learning_rate": 0.5}, schedule=schedule)
    rate = optimizer.Rate(learning, steps)
    return [float(rate(epoch * steps)) for epoch in range(epochs)] + [float(rate(epochs * steps - 1))]


def test_rates_follow_their_schedule() -> None:
    assert rates({"name": "constant"}) == [0.5] * 11
    cosine = rates({"name": "cosine"})
    assert cosine[:10] == pytest.approx([0.25 * (1 + math.cos(math.pi * epoch / 10)) for epoch in range(10)])
    step = rates({"name": "step", "milestones": [2, 7.5], "factor": 0.1})
    assert step == pytest.approx([0.5] * 2 + [0.05] * 6 + [0.005] * 3)
    for name, then in (("constant", 0.5), ("cosine", 0.25 * (1 + math.cos(math.pi * 3 / 8)))):
        warm = rates({"name": name, "warmup": 2})
        assert 0 < warm[0] < warm[1] < warm[2] == pytest.approx(0.5)
        assert warm[5] == pytest.approx(then)
    assert rates({"name": "cosine", "warmup": 2})[-1] < 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": {"name": "step"}}, "step needs them"),
        ({"schedule": {"name": "cosine", "milestones": [3]}}, "milestones belong to name: step"),
        ({"schedule": {"name": "step", "milestones": [5, 3]}}, "milestones must rise"),
        ({"schedule": {"name": "step", "milestones": [30]}}, r"schedule.milestones: found 30, but .* 30 epochs"),
        ({"schedule": {"warmup": 40}}, r"schedule.warmup: found 40"),
        ({"batch": 8, "batch_per_replica": 8}, "either batch or batch_per_replica"),
        ({"class_weights": "balance"}, "none, balanced, or a mapping"),
        ({"class_weights": {"rows": 0}}, "the weight of rows should be a number greater than 0"),
        ({"precision": "float16"}, "mixed_float16"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as found:
        LearningConfig.model_validate(settings)
    assert found.value.error_count() == 1


def test_exactly_one_batch_is_given_in_the_end() -> None:
    assert LearningConfig().global_batch(4) == 32
    assert LearningConfig(batch=8).global_batch(4) == 8
    per_replica = LearningConfig(batch_per_replica=8)
    assert per_replica.batch is None and per_replica.global_batch(4) == 32
    again = LearningConfig.model_validate(per_replica.model_dump(mode="json"))
    assert again == per_replica


def test_auto_says_what_it_chooses_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto, one_device = strategy.parse("auto"), strategy.parse("one_device")
    assert strategy.choose(auto, 0) == (one_device, "this machine has no GPU")
    assert strategy.choose(auto, 1) == (one_device, "this machine has one GPU")
    four = strategy.parse({"name": "mirrored", "devices": 4})
    assert strategy.choose(auto, 4) == (four, "this machine has 4 GPUs")
    given = strategy.parse({"mirrored": {"devices": 2}})
    assert strategy.choose(given, 8) == (given, "")
    monkeypatch.setenv("MODELMILL_PROGRESS", str(tmp_path / "progress"))
    train = {"strategy": auto.model_dump(mode="json"), "xla": False}
    executor._choose_devices(train)
    assert train["strategy"]["name"] != "auto"
    assert f"train.strategy auto: {train['strategy']['name']}, since" in (tmp_path / "progress").read_text()


def test_class_weights_by_share_by_label_and_for_a_label_that_is_not_there(examples: dict[str, Examples]) -> None:
    train = examples["train"]
    assert class_weights.per_label("none", train) is None
    balanced = class_weights.per_label("balanced", train)
    labels = np.array([label for _, label in train.raw().as_numpy_iterator()])
    assert balanced == pytest.approx([len(labels) / (3 * np.sum(labels == label)) for label in range(3)])
    assert np.mean(np.array(balanced)[labels]) == pytest.approx(1)
    place = train.spec.labels.index("rows")
    given = class_weights.per_label({"rows": 3}, train)
    assert given is not None and given[place] == 3 and sum(given) == 5
    with pytest.raises(ValueError, match="did you mean 'rows'"):
        class_weights.per_label({"row": 3}, train)


def test_class_weights_weigh_the_loss_and_labels_may_be_shares() -> None:
    inputs = tf.zeros([4, 2])
    hard = tf.data.Dataset.from_tensors((inputs, tf.constant([0, 1, 1, 2], tf.int64)))
    (found,) = passes.weighted(hard, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found[2], [1, 2, 2, 3])
    soft = tf.data.Dataset.from_tensors((inputs[:1], tf.constant([[0.25, 0.75, 0]])))
    (found,) = passes.weighted(soft, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(found[2], [1.75])


def test_a_heavy_class_is_favoured(examples: dict[str, Examples], tmp_path: Path) -> None:
    light, _ = learn(examples, tmp_path / "light", LearningConfig(epochs=1), class_weights=[1, 1, 1])
    heavy, _ = learn(examples, tmp_path / "heavy", LearningConfig(epochs=1), class_weights=[1, 1, 40])
    inputs = np.concatenate([one for one, _ in examples["eval"].plain().as_numpy_iterator()])
    counts = [np.sum(model(inputs).numpy().argmax(1) == 2) for model in (light, heavy)]
    assert counts[1] > counts[0]


class Killed(Exception):
    """Stands for a kill between two epochs."""


FULL: dict[str, Any] = {
    "epochs": 4,
    "batch_per_replica": 16,
    "optimizer": {"name": "adamw", "learning_rate": 0.01},
    "schedule": {"name": "step", "warmup": 1, "milestones": [3]},
}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_kill_changes_nothing(
    examples: dict[str, Examples], tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CHECKPOINT_SECONDS", 0)
    learning = LearningConfig.model_validate({**FULL, "precision": precision})
    given = {"learning": learning, "class_weights": [1.0, 2.0, 1.0]}
    whole, expected = learn(examples, tmp_path / "whole", **given)

    def kill(epoch: int, figures: dict[str, float]) -> None:
        if epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        learn(examples, tmp_path / "killed", **given, watch=kill)
    seen: list[int] = []
    again, history = learn(examples, tmp_path / "killed", **given, watch=lambda epoch, figures: seen.append(epoch))
    assert seen == [0, 1, 2, 3]
    for row, other in zip(history, expected, strict=True):
        assert row["seconds"] > 0
        assert {**row, "seconds": 0} == {**other, "seconds": 0}
    if precision != "mixed_float16":  # its first steps overflow, and are left out while the scale of the loss is found
        steps = examples["train"].steps
        wanted = [0.01 * steps / (steps + 1), 0.01, 0.01, 0.001]
        assert [row["learning_rate"] for row in history] == pytest.approx(wanted)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
    assert tf_keras.mixed_precision.global_policy().name == "float32"
    assert whole.layers[1].compute_dtype == precision.removeprefix("mixed_")
    # What is exported: the same weights in a float32 model.
    bare = family.build(cnn.CnnConfig(filters=(4,), dense=(8,)), examples["train"].spec)
    bare.set_weights(again.get_weights())
    inputs, _ = next(iter(examples["eval"].plain()))
    assert bare.layers[1].compute_dtype == "float32"
    np.testing.assert_allclose(bare(inputs), again(inputs), atol=0.15)


def test_a_kill_within_a_long_epoch_costs_what_came_after_its_last_checkpoint(
    examples: dict[str, Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_progress, "TOLD_SECONDS", 0)
    monkeypatch.setattr(epoch_progress, "KEPT_SECONDS", 0)
    learning = LearningConfig.model_validate(FULL)
    whole, expected = learn(examples, tmp_path / "whole", learning)
    told: list[str] = []

    def killed(name: str, done: int, total: int, info: str = "") -> None:
        if (name, done) == ("train, epoch 3", 3):  # the second step was written down
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(progress, "bar", killed)
        with pytest.raises(Killed):
            learn(examples, tmp_path / "killed", learning)
    monkeypatch.setattr(progress, "note", told.append)
    again, history = learn(examples, tmp_path / "killed", learning)
    steps = examples["train"].steps
    assert told == [f"training goes on after epoch 2 and 2 of {steps} steps"]
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [row["learning_rate"] for row in history] == [row["learning_rate"] for row in expected]
    for name in ("loss", "accuracy", "val_loss"):  # the last batch of an epoch is smaller than the others
        np.testing.assert_allclose([row[name] for row in history], [row[name] for row in expected], rtol=0.05)
    assert not list((tmp_path / "killed").glob("*step*"))


def test_a_long_epoch_tells_how_far_it_has_come(
    examples: dict[str, Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "progress.jsonl"
    monkeypatch.setenv(progress.ENV, str(told))
    learn(examples, tmp_path / "short", LearningConfig(epochs=1))
    assert {json.loads(line)["name"] for line in told.read_text().splitlines()} == {"train"}
    monkeypatch.setattr(epoch_progress, "TOLD_SECONDS", 0)
    told.unlink()
    learn(examples, tmp_path / "long", LearningConfig(epochs=2))
    bars = [json.loads(line) for line in told.read_text().splitlines()]
    steps = examples["train"].steps
    for epoch in ("train, epoch 1", "train, epoch 2"):
        found = [bar for bar in bars if bar["name"] == epoch]
        assert [(bar["done"], bar["total"]) for bar in found] == [(step, steps) for step in range(1, steps + 1)]
        assert found[0]["info"].startswith("loss ")
    # The outermost bar comes first, and its epochs are whole ones.
    assert [(bar["name"], bar["done"]) for bar in bars if bar["name"] == "train"] == [("train", n) for n in range(3)]
    assert bars[0]["name"] == "train"


def test_tensorboard_gets_every_figure_of_every_epoch(trained: Any, tmp_path: Path) -> None:
    (run,) = trained.outputs["model_run"].get()
    found = {}
    for name in ("train", "validation"):
        (file,) = Path(run.uri, name).iterdir()
        values = [v for event in tf.compat.v1.train.summary_iterator(str(file)) for v in event.summary.value]
        found[name] = [value.tag for value in values]
    for tag in ("epoch_loss", "epoch_accuracy", "epoch_learning_rate", "epoch_seconds"):
        assert found["train"].count(tag) == 12
    assert found["validation"].count("epoch_loss") == found["validation"].count("epoch_accuracy") == 12
    log = tensorboard.Scalars(tmp_path)
    log.row(0, {"loss": 1.5, "val_loss": 2.5})
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train", "validation"]
