"""One contract for every model family; a new file in components/models/families is tested without an entry here."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.models import family
from modelmill.components.models.export import model_store, saved_model
from modelmill.components.models.flatbuffer import interpreter
from modelmill.data.core import plugins
from tests.contracts.problems import PROBLEMS, SMALL, Problem

FAMILIES = plugins.names(family.PACKAGE)
TAKEN = [(name, modality) for name in FAMILIES for modality in family.look_up(name).MODALITIES]


@pytest.fixture(params=FAMILIES)
def config(request: pytest.FixtureRequest) -> family.FamilyConfig:
    name = request.param
    return family.look_up(name).Config.model_validate({"family": name, **SMALL.get(name, {})})


# Where a test says nothing else, a family's problem is of the first modality that it takes.
@pytest.fixture
def problem(config: family.FamilyConfig) -> Problem:
    return PROBLEMS[family.look_up(config.family).MODALITIES[0]]()


def test_the_config_is_read_without_tensorflow(config: family.FamilyConfig) -> None:
    code = f"import sys, modelmill.components.models.families.{config.family}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_gives_logits_and_is_functional(config: family.FamilyConfig, problem: Problem) -> None:
    model = family.build(config, problem.spec)
    assert isinstance(model, tf_keras.Model) and model._is_graph_network
    logits = model(problem.inputs[:5])
    assert logits.shape == (5, 3) and logits.dtype == tf.float32
    assert np.any(np.abs(np.sum(logits, axis=1) - 1) > 1e-3), "logits, not probabilities"


@cache
def learned(name: str, modality: str) -> tf_keras.Model:
    """A family's model that has learned its problem; a fresh one would hide what only biases and statistics show."""
    tf_keras.utils.set_random_seed(0)
    config = family.look_up(name).Config.model_validate({"family": name, **SMALL.get(name, {})})
    problem = PROBLEMS[modality]()
    model = family.build(config, problem.spec)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.01), loss, ["accuracy"])
    model.fit(problem.inputs, problem.labels, epochs=25, batch_size=16, verbose=0)
    return model


@pytest.mark.parametrize(("name", "modality"), TAKEN)
def test_it_learns_of_all_modalities_that_it_takes(name: str, modality: str) -> None:
    problem = PROBLEMS[modality]()
    assert learned(name, modality).evaluate(problem.inputs, problem.labels, verbose=0)[1] >= 0.95


def test_it_is_rebuilt_from_what_is_stored(config: family.FamilyConfig, problem: Problem, tmp_path: Path) -> None:
    inputs = problem.inputs
    model = family.build(config, problem.spec)
    model_store.save(
        tmp_path, model_store.Stored(config, problem.spec, {"modality": problem.spec.modality}, "supervised", 16), model
    )
    stored, again = model_store.load(tmp_path)
    assert stored.family == config and stored.spec == problem.spec
    np.testing.assert_array_equal(again(inputs), model(inputs))


@pytest.mark.parametrize(("name", "modality"), TAKEN)
def test_its_flatbuffer_takes_what_a_device_has_and_answers_alike(name: str, modality: str, tmp_path: Path) -> None:
    problem = PROBLEMS[modality]()
    model, path = learned(name, modality), tmp_path / "model.tflite"
    path.write_bytes(saved_model.converter(model, problem.spec).convert())
    np.testing.assert_allclose(
        interpreter.Flatbuffer(path).predict_all(problem.raw),
        saved_model.served(model, problem.spec)(problem.raw).numpy(),
        atol=1e-4,
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
    path.write_bytes(saved_model.converter(model, problem.spec).convert())
    flatbuffer = interpreter.Flatbuffer(path)
    first = flatbuffer.predict(problem.raw[0])
    for one in (*problem.raw, *problem.raw[:1]):
        flatbuffer._interpreter.set_tensor(flatbuffer._input, one[np.newaxis])
        flatbuffer._interpreter.invoke()
    np.testing.assert_array_equal(flatbuffer._interpreter.get_tensor(flatbuffer._output)[0], first)
