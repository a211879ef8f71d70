"""Recurrent layers: the flatbuffer answers what the trained model does, whatever the layers and the lengths."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
from tf_keras import layers

from modelmill.components.models import family
from modelmill.components.models.export import saved_model, stateless_rnn
from modelmill.components.models.flatbuffer import analyze, interpreter
from tests.contracts.problems import series

CELLS = ("gru", "lstm")
# Of numbers about 1: the flatbuffer adds up in another order, and that is all.
TOLERANCE = 1e-5


def trained(**settings: Any) -> tf_keras.Model:
    """A small network whose weights, biases too, are as large as training makes them."""
    config = family.look_up("rnn").Config.model_validate({"family": "rnn", **settings})
    model, random = family.build(config, series().spec), np.random.default_rng(0)
    model.set_weights([weight + random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def flatbuffer(model: tf_keras.Model, path: Path) -> interpreter.Flatbuffer:
    path.write_bytes(saved_model.converter(model, series().spec).convert())
    return interpreter.Flatbuffer(path)


@pytest.mark.parametrize(("cell", "bidirectional", "units"), [*product(CELLS, (False, True), ((6,), (6, 5)))])
def test_the_flatbuffer_of_a_trained_network_answers_as_the_network_does(
    cell: str, bidirectional: bool, units: tuple[int, ...], tmp_path: Path
) -> None:
    problem = series()
    for pool in ("last", "mean"):
        model = trained(cell=cell, bidirectional=bidirectional, units=units, pool=pool)
        exact = saved_model.served(model, problem.spec)(problem.inputs).numpy()
        found = flatbuffer(model, tmp_path / pool).predict_all(problem.inputs)
        np.testing.assert_allclose(found, exact, atol=TOLERANCE)


@pytest.mark.parametrize("cell", CELLS)
def test_loops_and_their_unrolled_steps_are_the_same_layer(cell: str) -> None:
    problem = series()
    model = trained(cell=cell, bidirectional=True, units=(6, 5), pool="mean")
    exact = model(problem.inputs).numpy()
    for unrolled in (False, True):
        made = stateless_rnn.stateless(model, unrolled)
        np.testing.assert_allclose(made(problem.inputs).numpy(), exact, atol=TOLERANCE)
        assert not any(isinstance(layer, layers.RNN) for layer in made.layers)


def test_what_stands_behind_the_end_changes_nothing() -> None:
    """Reading backwards begins at the last step, not in the padding."""
    problem, settings = series(), {"cell": "gru", "bidirectional": True, "units": (6, 5), "pool": "mean"}
    model = trained(**settings)
    short = stateless_rnn.stateless(model)(problem.inputs).numpy()
    config = family.look_up("rnn").Config.model_validate({"family": "rnn", **settings})
    longer = family.build(config, problem.spec.with_input(shape=(12, 2)))
    longer.set_weights(model.get_weights())
    padded = np.pad(problem.inputs, ((0, 0), (0, 5), (0, 0)))
    np.testing.assert_allclose(stateless_rnn.stateless(longer)(padded).numpy(), short, atol=TOLERANCE)


def test_layers_that_ours_do_not_know_are_unrolled_and_masked_as_they_were_trained() -> None:
    problem = series()
    inputs = tf_keras.Input((7, 2))
    features = layers.Masking()(inputs)
    features = layers.Bidirectional(layers.GRU(5, activation="relu", return_sequences=True))(features)
    features = layers.Bidirectional(layers.SimpleRNN(4, return_sequences=True))(features)
    model = tf_keras.Model(inputs, layers.GlobalAveragePooling1D()(features))
    made = stateless_rnn.stateless(model)
    np.testing.assert_allclose(made(problem.inputs).numpy(), model(problem.inputs).numpy(), atol=TOLERANCE)


def test_multiplications_are_counted_in_loops_too(tmp_path: Path) -> None:
    model = trained(cell="gru", units=(6,))
    flatbuffer(model, tmp_path / "model")
    # Of 7 steps: 2 channels and 6 states, each to 3 gates of 6; then 6 features to 3 classes.
    assert analyze.read(tmp_path / "model").macs == 7 * (2 + 6) * 18 + 6 * 3
