"""Layers that learn at different rates: frozen, slow, thawed later; and that a kill changes none of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components import artifacts
from modelmill.components.models import family, networks
from modelmill.components.models.export import model_store
from modelmill.components.models.families import cnn
from modelmill.components.models.training import driver, layer_rates, optimizer
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality
from modelmill.data.core.fetch import resolve

image = modality.look_up("image")


def small() -> tf_keras.Model:
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    inputs = tf_keras.Input((4,))
    hidden = layers.BatchNormalization(name="norm")(layers.Dense(3, name="low")(inputs))
    return tf_keras.Model(inputs, layers.Dense(2, name="top")(hidden))


def test_epochs_of_equal_factors_are_one_phase() -> None:
    model = small()
    assert layer_rates.plan({"main": model}, None, 5) == [layer_rates.Phase(range(5), None)]
    planned = layer_rates.plan({"main": model}, lambda model, epoch: [1, 0, 0, 1] if epoch < 2 else [1, 0.5, 0, 1], 5)
    assert [phase.epochs for phase in planned] == [range(2), range(2, 5)]
    # The phase of the last epoch that was done stays: its optimizer is what the checkpoint holds.
    assert [len(layer_rates.left(planned, done)) for done in range(6)] == [2, 2, 2, 1, 1, 1]
    assert layer_rates.enter({"main": model}, planned[0]) is None
    assert [layer.trainable for layer in model.layers[1:]] == [False, False, True]
    assert layer_rates.enter({"main": model}, planned[1]) == [0.5, 0.5, 1, 1]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_factor_multiplies_the_rate_of_its_variables_and_their_decay(name: str) -> None:
    learning = LearningConfig(optimizer={"name": name, "learning_rate": 0.01, "weight_decay": 0.1})
    inputs, labels = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2
    steps = {}
    for kind, factors in (("plain", None), ("factored", [0.25, 0.25, 1.0, 1.0, 1.0, 1.0])):
        model = small()
        before = {weight.name: weight.numpy() for weight in model.trainable_weights}
        model.compile(optimizer.make(learning, 1, 0, factors), "sparse_categorical_crossentropy")
        model.train_on_batch(inputs, labels)
        steps[kind] = {weight.name: weight.numpy() - before[weight.name] for weight in model.trainable_weights}
    for weight, step in steps["plain"].items():
        expected = step * (0.25 if weight.startswith("low") else 1)
        np.testing.assert_allclose(steps["factored"][weight], expected, rtol=1e-3, atol=1e-7)


def test_a_rate_goes_on_where_another_phase_ended() -> None:
    learning = LearningConfig(epochs=10, schedule={"name": "cosine"})
    whole, second = optimizer.Rate(learning, 4), optimizer.Rate(learning, 4, 20)
    assert [float(second(step)) for step in range(4)] == [float(whole(step)) for step in range(20, 24)]


@pytest.fixture(scope="module")
def examples(trained: Any, prepared: SimpleNamespace) -> dict[str, Examples]:
    (model,) = trained.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    (transformed,) = prepared.transform.outputs["transformed_examples"].get()
    return {
        split: Examples([str(path) for path in Path(transformed.uri, f"Split-{split}").iterdir()], stored.spec, 16)
        for split in ("train", "eval")
    }


class Killed(Exception):
    """Stands for a kill after an epoch."""


def factors(model: tf_keras.Model, epoch: int) -> list[float]:
    """Two epochs with the convolution frozen, then slow; the normalisation is never touched."""
    kinds = {"Conv2D": 0.0 if epoch < 2 else 0.1, "BatchNormalization": 0.0}
    return [kinds.get(type(layer).__name__, 1.0) for layer in model.layers]


@pytest.fixture(autouse=True)
def after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "CHECKPOINT_SECONDS", 0)


def learn(examples: dict[str, Examples], folder: Path, killed: int | None = None, **more: Any) -> Any:
    def watch(epoch: int, row: dict[str, float]) -> None:
        if epoch == killed:
            raise Killed

    tf_keras.utils.set_random_seed(1)
    learning = {"epochs": 4, "optimizer": {"name": "adamw", "learning_rate": 0.01}, "schedule": {"name": "cosine"}}
    found, history = driver.train(
        build=lambda: family.build(cnn.CnnConfig(filters=(4,), dense=(8,)), examples["train"].spec),
        examples=examples,
        learning=LearningConfig.model_validate({**learning, **more}),
        policy=image.Policy(),
        seed=1,
        strategy=tf.distribute.get_strategy(),
        checkpoints=folder,
        watch=watch,
        factors=factors,
    )
    return networks.only(found), history


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_kill_in_any_phase_or_between_two_changes_nothing(
    examples: dict[str, Examples], tmp_path: Path, killed: int
) -> None:
    whole, rows = learn(examples, tmp_path / "whole")
    with pytest.raises(Killed):
        learn(examples, tmp_path / "killed", killed)
    again, other = learn(examples, tmp_path / "killed")
    for one, two in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    for key in ("loss", "learning_rate"):
        np.testing.assert_allclose([row[key] for row in rows], [row[key] for row in other], rtol=1e-4)


def test_what_is_frozen_stays_until_it_is_thawed(examples: dict[str, Examples], tmp_path: Path) -> None:
    tf_keras.utils.set_random_seed(1)
    start = family.build(cnn.CnnConfig(filters=(4,), dense=(8,)), examples["train"].spec)
    with pytest.raises(Killed):
        learn(examples, tmp_path, killed=1)
    (best,) = tmp_path.glob("best-*.npz")
    frozen = family.build(cnn.CnnConfig(filters=(4,), dense=(8,)), examples["train"].spec)
    model_store.load_weights(best, frozen)
    thawed, _ = learn(examples, tmp_path)
    for layer, moves in (("conv2d", True), ("batch_normalization", False)):
        one, two, three = (
            next(found for found in model.layers if found.name.startswith(layer)).get_weights()
            for model in (start, frozen, thawed)
        )
        np.testing.assert_array_equal(one[0], two[0])
        assert np.any(two[0] != three[0]) == moves
    assert np.any(start.get_weights()[-2] != frozen.get_weights()[-2])


def test_files_are_found_in_packages_and_a_change_of_one_changes_the_digest(tmp_path: Path) -> None:
    assert resolve.locate("tf_keras:__init__.py").is_file()
    with pytest.raises(FileNotFoundError, match="the package nosuchpackage is not installed"):
        resolve.locate("nosuchpackage:file.h5")
    with pytest.raises(FileNotFoundError, match="has no file nothing"):
        resolve.locate("tf_keras:nothing")
    assert resolve.is_local("weights.h5") and not resolve.is_local("gs://b/w.h5") and not resolve.is_local("a.b:w.h5")
    file = tmp_path / "weights.h5"
    found = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        found.append((resolve.digest({"weights": str(file)}), resolve.digest({"weights": str(tmp_path)})))
    assert found[0] == found[2] and found[0][0] != found[1][0] and found[0][1] != found[1][1]
    assert resolve.digest({}) == ""
