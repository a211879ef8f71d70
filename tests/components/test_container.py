"""What Keras' fit trains: the same bits as Keras' own training of one network, and several updates of several."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.models.training import loop
from modelmill.components.models.training.container import Container
from modelmill.components.models.training.loop import Loop, LossTerms, Step, Update
from modelmill.components.testing.specs import make_spec
from modelmill.data import batch, task

SPEC = make_spec("image", (8, 8, 1), "uint8", ("a", "b", "c"))
CLASSIFICATION = task.look_up("classification")


def network(l2: float = 0.0, precision: str = "float32") -> tf_keras.Model:
    """A small classifier with all that makes a difference: batch normalisation, dropout, a penalty."""
    tf_keras.utils.set_random_seed(1)
    layers, penalty = tf_keras.layers, tf_keras.regularizers.L2(l2) if l2 else None
    inputs = layers.Input((8, 8, 1))
    features = layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=penalty, dtype=precision)(inputs)
    features = layers.ReLU(dtype=precision)(layers.BatchNormalization(dtype=precision)(features))
    features = layers.Flatten()(layers.Dropout(0.2, dtype=precision)(features))
    return tf_keras.Model(inputs, layers.Dense(3, kernel_regularizer=penalty, dtype="float32")(features))


def batches(weighted: bool = False) -> tf.data.Dataset:
    """96 pictures, the last batch not whole."""
    random = np.random.default_rng(0)
    images, labels = random.normal(size=(90, 8, 8, 1)).astype(np.float32), random.integers(0, 3, 90)
    weights = (random.uniform(0.5, 2, 90).astype(np.float32),) if weighted else ()
    return tf.data.Dataset.from_tensor_slices((images, labels, *weights)).batch(32)


def keras(model: tf_keras.Model) -> tf_keras.Model:
    """Keras' own training: the judge."""
    metric = tf_keras.metrics.MeanMetricWrapper(CLASSIFICATION.train_metric, name=CLASSIFICATION.MEASURE)
    loss = lambda labels, answers: CLASSIFICATION.loss(labels, answers)  # noqa: E731  Keras takes no bound method
    model.compile(tf_keras.optimizers.Adam(0.01), loss, [metric])
    return model


def ours(model: tf_keras.Model) -> tf_keras.Model:
    """The same by a container."""
    found = Container({"main": model}, loop.look_up("supervised"), loop.DEFAULT, CLASSIFICATION, SPEC)
    found.compile_updates([tf_keras.optimizers.Adam(0.01)])
    return found


@pytest.mark.parametrize(("l2", "weighted"), [(0.0, False), (0.01, True)])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_one_network_gets_the_bits_of_keras_own_training(l2: float, weighted: bool, precision: str) -> None:
    histories, weights = [], []
    for train in (keras, ours):
        tf_keras.mixed_precision.set_global_policy(precision)
        try:
            model = network(l2, precision)
            done = train(model).fit(batches(weighted), epochs=3, validation_data=batches(weighted), verbose=0)
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")
        histories.append(done.history)
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_of_named_tensors_get_the_bits_of_single_ones() -> None:
    weights = []
    named = batches().map(lambda images, labels: ({"image": images}, {"label": labels}))
    for given in (batches(), named):
        model = network()
        ours(model).fit(given, epochs=1, validation_data=given, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_of_several_inputs_takes_them_by_their_names() -> None:
    zero, left, right = tf.constant(0, tf.int64), tf.constant([[1.0]]), tf.constant([[2.0]])
    taken: list[Any] = []
    step = Step(
        {"main": lambda inputs, training: taken.append(inputs)},
        {"a": left, "b": right},
        {"label": zero},
        CLASSIFICATION,
        SPEC,
        zero,
        zero,
        False,
    )
    step.outputs()
    step._replace(inputs={"a": left}).outputs()
    assert taken == [{"a": left, "b": right}, left] and step.target is zero
    several = SPEC.model_copy(update={"targets": (*SPEC.targets, SPEC.target.model_copy(update={"name": "other"}))})
    with pytest.raises(ValueError, match=r"found 2 targets \(label, other\)"):
        step._replace(spec=several).target  # noqa: B018
    with pytest.raises(ValueError, match=r"found one tensor, but the spec has 2 \(label, other\)"):
        batch.by_name(zero, several.targets)


MIRRORED = """
import json
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
from tests.components.test_container import batches, keras, network, ours
rows = []
for train in (keras, ours):
    with strategy.scope():
        model = network(0.01)
        found = train(model)
        if train is keras:
            found.optimizer.build(found.trainable_variables)
    history = found.fit(batches(True).unbatch().batch(30), epochs=2, verbose=0).history
    rows.append([history, [float(np.abs(one).sum()) for one in model.get_weights()]])
print(json.dumps(rows))
"""


def test_two_devices_get_the_bits_of_keras_own_training() -> None:
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert first == second


class Adversaries(Loop[loop.LoopConfig]):
    """A critic that tells numbers near 3 from those of a generator, which moves every second step only."""

    def updates(self, config: Any) -> tuple[Update, ...]:
        return Update("critic", ("critic",)), Update("generator", ("generator",), every=2)

    def loss(self, config: Any, update: Update, step: Step) -> LossTerms:
        noise = tf.random.stateless_normal(tf.shape(step.input), step.seed)
        made = step.networks["critic"](step.networks["generator"](noise, training=step.training))
        given = step.networks["critic"](step.input)
        if update.name == "generator":
            sums = tf.nn.softplus(-made)[:, 0]
        else:
            sums = (tf.nn.softplus(-given) + tf.nn.softplus(made))[:, 0]
        return LossTerms(sums, tf.ones_like(sums))


def adversaries(rate: float = 0.05) -> Container:
    """Two networks of two optimizers."""
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    inputs = layers.Input((1,))
    networks = {
        "generator": tf_keras.Model(inputs, layers.Dense(1)(inputs)),
        "critic": tf_keras.Model(inputs, layers.Dense(1)(layers.Dense(8, activation="tanh")(inputs))),
    }
    found = Container(networks, Adversaries(), loop.DEFAULT, CLASSIFICATION, SPEC, seed=3)
    found.compile_updates([tf_keras.optimizers.Adam(rate), tf_keras.optimizers.Adam(rate)])
    return found


def numbers() -> tf.data.Dataset:
    """Numbers near 3, and no targets that anybody looks at."""
    values = np.random.default_rng(0).normal(3, 0.5, (256, 1)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((values, np.zeros(256))).batch(32)


def test_each_update_moves_its_own_network_as_often_as_it_says() -> None:
    found = adversaries()
    before = {name: [one.copy() for one in network.get_weights()] for name, network in found.networks.items()}
    history = found.fit(numbers(), epochs=1, steps_per_epoch=7, verbose=0).history
    counts = {name: int(one.iterations) for name, one in found.optimizers_of.items()}
    assert counts == {"critic": 7, "generator": 4} and int(found.step) == 7
    for name, network in found.networks.items():
        assert any((one != other).any() for one, other in zip(before[name], network.get_weights(), strict=True))
    assert history.keys() >= {"loss", "critic_loss", "generator_loss"}
    assert history["loss"][0] == pytest.approx(history["critic_loss"][0] + history["generator_loss"][0], rel=1e-5)


def test_the_generator_learns_where_the_numbers_are() -> None:
    found = adversaries()
    noise = np.random.default_rng(1).normal(size=(500, 1)).astype(np.float32)
    away = abs(float(found.networks["generator"](noise).numpy().mean()) - 3)
    found.fit(numbers().repeat(), epochs=1, steps_per_epoch=400, verbose=0)
    assert away > 2 and abs(float(found.networks["generator"](noise).numpy().mean()) - 3) < 0.5


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path: Any) -> None:
    whole, rows = adversaries(), numbers()
    whole.fit(rows.take(5), epochs=1, verbose=0)
    path = whole.checkpoint().write(str(tmp_path / "five"))
    whole.fit(rows.skip(5), epochs=1, verbose=0)
    again = adversaries()
    again.checkpoint().read(path).assert_consumed()
    again.position = int(again.step)
    again.fit(rows.skip(5), epochs=1, verbose=0)
    for name, network in whole.networks.items():
        for one, other in zip(network.get_weights(), again.networks[name].get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
