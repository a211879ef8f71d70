"""Keras 2: what its public API lacks, and what components/upstream/keras_internals.py gives instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.upstream import guard, keras_internals


@pytest.fixture(scope="module")
def model() -> tf_keras.Model:
    """Two inputs by name; one dense layer is called twice, on both of them."""
    inputs = {"one": tf_keras.Input((3,), name="one"), "two": tf_keras.Input((3,), name="two")}
    shared = tf_keras.layers.Dense(3, name="shared")
    added = tf_keras.layers.Add(name="sum")([shared(inputs["one"]), shared(inputs["two"])])
    return tf_keras.Model(inputs, {"answer": tf_keras.layers.ReLU(name="last")(added)})


def test_keras_has_no_public_names_for_calls_of_layers(model: tf_keras.Model) -> None:
    public = {name for name in dir(model) if "node" in name and not name.startswith("_")}
    assert public == {"inbound_nodes", "outbound_nodes"}, "those of the model as a layer; is there a new one?"
    assert not hasattr(tf_keras, "Functional") and not hasattr(tf_keras, "KerasTensor")
    assert isinstance(model.inputs, list) and isinstance(model.outputs, list), "nested as they were given?"


def test_nodes_come_in_an_order_in_which_they_can_be_computed(model: tf_keras.Model) -> None:
    names = [node.layer.name for node in keras_internals.nodes(model)]
    assert names == ["shared", "shared", "sum", "last"]
    inputs, outputs = keras_internals.structure(model)
    assert set(inputs) == {"one", "two"} and set(outputs) == {"answer"}
    assert set(keras_internals.uses(model).values()) == {1}, "each tensor is taken once"


def test_models_are_told_from_layers(model: tf_keras.Model) -> None:
    class Own(tf_keras.Model):
        """No Functional one."""

    layer = tf_keras.layers.Dense(1)
    assert [keras_internals.is_functional(one) for one in (model, Own(), layer)] == [True, False, False]
    assert [keras_internals.has_nodes(one) for one in (model, Own(), layer)] == [True, False, False]


def test_arguments_are_mapped_any_number_of_times_which_keras_does_not(model: tf_keras.Model) -> None:
    *_, node = keras_internals.nodes(model)
    (name,) = (str(id(one)) for one in tf.nest.flatten(node.call_args))
    left = {name: ["found"]}
    assert node.map_arguments(left) == (("found",), {})
    with pytest.raises(IndexError):
        node.map_arguments(left)
    for _ in range(2):
        assert keras_internals.arguments(node, {name: "found"}) == (("found",), {})


def test_calls_of_a_layer(model: tf_keras.Model) -> None:
    last = model.get_layer("last")
    assert keras_internals.first_call(last).inbound_layers is model.get_layer("sum")
    assert [keras_internals.call_count(model.get_layer(name)) for name in ("shared", "sum")] == [2, 1]


def test_a_layer_answers_what_it_is_told_where_a_model_can_not_be_cut() -> None:
    ids = tf_keras.Input((4,), dtype="int32")
    layer = tf_keras.layers.Embedding(5, 2)
    masked = layer(ids) * tf.cast(ids != 0, tf.float32)[..., tf.newaxis]
    model = tf_keras.Model(ids, tf.reduce_sum(masked, axis=[1, 2]))
    with pytest.raises(ValueError, match="be reached"):
        tf_keras.Model(layer.output, model.output)
    given = np.array([[1, 2, 0, 0]], np.int32)
    before = model(given).numpy()
    with keras_internals.answering(layer, tf.ones((1, 4, 2))):
        assert model(given).numpy() == 4
    np.testing.assert_array_equal(model(given), before)


def test_keras_runs_code_of_an_hdf5_file_unless_it_is_in_safe_mode(tmp_path: Path) -> None:
    inputs = tf_keras.Input((1,))
    tf_keras.Model(inputs, tf_keras.layers.Lambda(lambda one: one + 1)(inputs)).save(tmp_path / "model.h5")

    def load() -> Any:
        return tf_keras.models.load_model(tmp_path / "model.h5", compile=False, safe_mode=True)

    assert load()(np.ones((1, 1))).numpy() == 2, "it is safe by itself"
    with keras_internals.safe_mode(), pytest.raises(ValueError, match="Lambda"):
        load()


def steps(kind: Any, scale: float, **settings: float) -> list[float]:
    """What one step takes off two variables of value 1, whose gradients are `scale`."""
    variables = [tf.Variable(1.0, name="one"), tf.Variable(1.0, name="two")]
    optimizer = kind(0.1, **settings)
    optimizer.build(variables)
    optimizer.apply_gradients([(tf.constant(scale), one) for one in variables])
    return [1 - float(one) for one in variables]


def test_keras_has_no_rate_of_its_own_for_a_variable() -> None:
    assert steps(tf_keras.optimizers.Adam, 1.0) == pytest.approx(steps(tf_keras.optimizers.Adam, 0.1), rel=1e-4)
    public = {name for name in dir(tf_keras.optimizers.Optimizer) if "rate" in name and not name.startswith("_")}
    assert public == {"learning_rate"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (tf_keras.optimizers.SGD, {}),
        (tf_keras.optimizers.Adam, {}),
        (tf_keras.optimizers.AdamW, {"weight_decay": 0.5}),
    ],
)
def test_factors_multiply_the_rate_of_a_variable_and_of_its_decay(kind: Any, settings: dict[str, float]) -> None:
    whole, _ = steps(kind, 1.0, **settings)
    first, second = steps(keras_internals.with_factors(kind, [1.0, 0.5]), 1.0, **settings)
    # The decay comes first, and the step is off what is left: with a rate of 0.1 both are small.
    assert first == pytest.approx(whole) and second == pytest.approx(whole / 2, rel=0.05)


@pytest.mark.parametrize(
    "use",
    [
        keras_internals.is_functional,
        lambda model: list(keras_internals.nodes(model)),
        keras_internals.uses,
        keras_internals.structure,
        keras_internals.first_call,
        lambda model: keras_internals.safe_mode(),
        lambda model: keras_internals.with_factors(tf_keras.optimizers.Adam, [1.0]),
    ],
)
def test_an_untested_keras_is_refused(use: Any, model: tf_keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "2.22.0")
    with pytest.raises(guard.UpstreamVersionError, match=r"2\.22\.0.*tf_keras==2\.21"):
        use(model)
