"""One contract for every model family; a new file in components/models/families is tested without an entry here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from components.models import family, runtime, serving, store
from data import plugins
from data.modality import Column, Spec

FAMILIES = plugins.names(family.PACKAGE)
# What a family needs to be small, and the input it is made for.
CLASSES = ("a", "b", "c")
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (4, 8), "dense": (16,)},
    "resnet": {"blocks": (1, 1), "filters": (4, 8)},
    "vit": {"patch": 2, "width": 8, "depth": 2, "heads": 2},
    "bert": {"width": 8, "depth": 1, "heads": 2, "hidden": 16, "block_dropout": 0, "attention_dropout": 0},
    "mlp": {"widths": (16,)},
    "rnn": {"units": (8,), "bidirectional": True},
    "transformer_encoder": {"width": 8, "depth": 1, "heads": 2, "hidden": 16},
}


class Problem(NamedTuple):
    """A tiny learnable set of three classes: normalised inputs for the bare model, and what a device has."""

    spec: Spec
    inputs: np.ndarray
    labels: np.ndarray
    raw: np.ndarray


def image() -> Problem:
    """Images that differ by class in where they are bright."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.normal(0, 0.3, (48, 8, 8, 1)).astype(np.float32)
    for number, label in enumerate(labels):
        inputs[number, :, 2 * label : 2 * label + 3] += 1.5
    raw = random.integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    spec = Spec(modality="image", shape=(8, 8, 1), dtype="uint8", labels=CLASSES, mean=(100.0,), stddev=(50.0,))
    return Problem(spec, inputs, labels, raw)


def audio() -> Problem:
    """Tones that differ by class in their pitch, with noise."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    time = np.arange(2000) / 4000
    pitch = np.array([300.0, 600.0, 1200.0])[labels][:, np.newaxis] * random.uniform(0.9, 1.1, (48, 1))
    inputs = 0.3 * np.sin(2 * np.pi * pitch * time) + random.normal(0, 0.03, (48, 2000))
    raw = random.integers(-9000, 9000, (4, 2000), dtype=np.int16)
    shape = {"shape": (2000,), "dtype": "int16", "sample_rate": 4000}
    spec = Spec(modality="audio", labels=CLASSES, mean=(0.0,), stddev=(32768.0,), **shape)
    return Problem(spec, inputs.astype(np.float32), labels, raw)


def text() -> Problem:
    """Token ids between [CLS] and [SEP], padded; the class is told by which of three ids is among the others."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.integers(8, 20, (48, 12)).astype(np.int32)
    inputs[:, 0], inputs[np.arange(48), 1 + np.arange(48) % 5] = 2, 5 + labels
    for row, length in zip(inputs, random.integers(7, 13, 48), strict=True):
        row[length - 1 :] = [3] + [0] * (12 - length)
    shape = {"shape": (12,), "dtype": "int32", "vocabulary": 20}
    return Problem(Spec(modality="text", labels=CLASSES, **shape), inputs, labels, inputs[:4])


def tabular() -> Problem:
    """Rows of two numbers and a category, of which one number and the category tell the class."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.normal(0, 0.3, (48, 3)).astype(np.float32)
    inputs[:, 0] += labels == 1
    inputs[:, 1] = np.where(labels == 2, 1, random.integers(0, 2, 48) * 2)
    columns = [Column(column="a", kind="number"), Column(column="b", kind="category", categories=("x", "y"))]
    columns.append(Column(column="c", kind="number"))
    spec = Spec(modality="tabular", shape=(3,), dtype="float32", labels=CLASSES, columns=tuple(columns))
    return Problem(spec, inputs, labels, inputs[:4])


def series() -> Problem:
    """Series of 4 to 7 steps that rise, fall or stay, padded; the last channel says which steps there are."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = np.zeros((48, 7, 2), np.float32)
    for row, label, length in zip(inputs, labels, 4 + np.arange(48) % 4, strict=True):
        row[:length, 0] = (label - 1) * np.linspace(-1, 1, length) + random.normal(0, 0.1, length)
        row[:length, 1] = 1
    spec = Spec(modality="series", shape=(7, 2), dtype="float32", labels=CLASSES, masked=True)
    return Problem(spec, inputs, labels, inputs[:4])


# By modality: the first that a family takes is the one it is tested with.
PROBLEMS = {"image": image, "audio": audio, "text": text, "tabular": tabular, "series": series}


@pytest.fixture(params=FAMILIES)
def config(request: pytest.FixtureRequest) -> family.FamilyConfig:
    name = request.param
    return family.look_up(name).Config.model_validate({"family": name, **SMALL.get(name, {})})


@pytest.fixture
def problem(config: family.FamilyConfig) -> Problem:
    return PROBLEMS[family.look_up(config.family).MODALITIES[0]]()


def test_the_config_is_read_without_tensorflow(config: family.FamilyConfig) -> None:
    code = f"import sys, components.models.families.{config.family}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_gives_logits_and_is_functional(config: family.FamilyConfig, problem: Problem) -> None:
    model = family.build(config, problem.spec)
    assert isinstance(model, tf_keras.Model) and model._is_graph_network
    logits = model(problem.inputs[:5])
    assert logits.shape == (5, 3) and logits.dtype == tf.float32
    assert np.any(logits < 0), "logits, not probabilities"


def test_it_learns(config: family.FamilyConfig, problem: Problem) -> None:
    tf_keras.utils.set_random_seed(0)
    inputs, labels = problem.inputs, problem.labels
    model = family.build(config, problem.spec)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.01), loss, ["accuracy"])
    model.fit(inputs, labels, epochs=25, batch_size=16, verbose=0)
    assert model.evaluate(inputs, labels, verbose=0)[1] >= 0.95


def test_it_is_rebuilt_from_what_is_stored(config: family.FamilyConfig, problem: Problem, tmp_path: Path) -> None:
    inputs = problem.inputs
    model = family.build(config, problem.spec)
    store.save(
        tmp_path, store.Stored(config, problem.spec, {"modality": problem.spec.modality}, "supervised", 16), model
    )
    stored, again = store.load(tmp_path)
    assert stored.family == config and stored.spec == problem.spec
    np.testing.assert_array_equal(again(inputs), model(inputs))


def test_its_flatbuffer_takes_what_a_device_has_and_answers_alike(
    config: family.FamilyConfig, problem: Problem, tmp_path: Path
) -> None:
    model = family.build(config, problem.spec)
    path = tmp_path / "model.tflite"
    path.write_bytes(serving.converter(model, problem.spec).convert())
    raw = problem.raw
    np.testing.assert_allclose(
        runtime.Flatbuffer(path).predict_all(raw), serving.served(model, problem.spec)(raw).numpy(), atol=1e-4
    )


def test_it_computes_in_mixed_precision_and_answers_in_float32(config: family.FamilyConfig, problem: Problem) -> None:
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = family.build(config, problem.spec)
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    logits = model(problem.inputs[:5])
    assert logits.dtype == tf.float32
    assert any(layer.compute_dtype == "bfloat16" for layer in model.layers)
    np.testing.assert_array_equal([weight.dtype for weight in model.get_weights()], np.float32)


def test_penalties_and_dropout_are_of_every_family(config: family.FamilyConfig, problem: Problem) -> None:
    model = family.build(config.model_copy(update={"l2": 0.1, "dropout": 0.5}), problem.spec)
    assert model.losses
    inputs = problem.inputs
    assert np.any(model(inputs, training=True) != model(inputs, training=True))


def test_it_describes_itself(config: family.FamilyConfig) -> None:
    schema = type(config).model_json_schema()
    assert json.dumps(schema)
    assert type(config).__doc__


def test_its_flatbuffer_keeps_no_state_from_call_to_call(
    config: family.FamilyConfig, problem: Problem, tmp_path: Path
) -> None:
    """The same answer whatever came before, also to who does not know how to reset an interpreter."""
    model = family.build(config, problem.spec)
    path = tmp_path / "model.tflite"
    path.write_bytes(serving.converter(model, problem.spec).convert())
    flatbuffer = runtime.Flatbuffer(path)
    first = flatbuffer.predict(problem.raw[0])
    for one in (*problem.raw, *problem.raw[:1]):
        flatbuffer._interpreter.set_tensor(flatbuffer._input, one[np.newaxis])
        flatbuffer._interpreter.invoke()
    np.testing.assert_array_equal(flatbuffer._interpreter.get_tensor(flatbuffer._output)[0], first)
