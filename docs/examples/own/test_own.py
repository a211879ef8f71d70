"""Tests of one's own family, method, task, loop and component, each by itself: seconds instead of a run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from modelmill.components.compress import method
from modelmill.components.models import family
from modelmill.components.models.training import loop
from modelmill.components.testing.specs import make_spec
from modelmill.data import task
from modelmill.data.figures import Recorded, Scatter

HERE = Path(__file__).parent
SPEC = make_spec("image", (8, 8, 1), "uint8", labels=("a", "b"), mean=(0.0,), stddev=(1.0,))


@pytest.fixture(autouse=True)
def own(plug_ins) -> None:
    plug_ins(HERE / "plugins")


def test_the_family_learns() -> None:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype(np.float32)
    labels = (images.mean(axis=(1, 2, 3)) > 0).astype(int)
    model = family.build(family.look_up("plain").Config(widths=(16,)), SPEC)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.01), loss, ["accuracy"])
    model.fit(images, labels, epochs=30, verbose=0)
    assert model.evaluate(images, labels, verbose=0)[1] > 0.95


def test_the_method_leaves_few_values_and_the_model_it_was_given_alone() -> None:
    import tf_keras

    found = method.look_up("round_kernels")
    model = family.build(family.look_up("plain").Config(), SPEC)
    before = model.get_weights()
    context = SimpleNamespace(copy=lambda model: _copy(tf_keras, model))
    made = found.tune(model, found.Config(levels=4), context)
    assert all(len(np.unique(layer.kernel)) <= 4 for layer in made.layers if hasattr(layer, "kernel"))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def _copy(tf_keras, model):
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


def test_the_loop_counts_less_what_is_sure() -> None:
    import tensorflow as tf

    found, zero = loop.look_up("focal"), tf.constant(0, tf.int64)
    labels, answers = tf.constant([0, 0], tf.int64), tf.constant([[0.0, 0.0], [4.0, -4.0]])
    networks = {"main": lambda inputs, training: answers}
    step = loop.Step(networks, {}, {"label": labels}, task.look_up("classification"), SPEC, zero, [zero, zero], True)
    unsure, sure = found.loss(found.Config(gamma=2), loop.Update(), step).sums.numpy()
    assert abs(unsure - np.log(2) / 4) < 1e-6 and sure < 1e-7


def test_the_task_counts() -> None:
    import tensorflow as tf

    count = task.look_up("count")
    assert count.raw("3") == 3
    with pytest.raises(ValueError, match="is no count"):
        count.raw("3.5")
    labels = tf.constant([2.0, 5000.0])
    assert count.preprocess(labels, count.Config(most=100))["label"].numpy().tolist() == [2, 100]
    target = count.target(None, labels, SPEC)
    right, wrong = (count.loss(target, tf.math.log(target) + off).numpy() for off in (0.0, 1.0))
    assert (right < wrong).all()
    answers = {"float": target.numpy(), "compressed": target.numpy() + 1}
    recorded = Recorded({model: count.record(given, labels.numpy()) for model, given in answers.items()}, ("expected",))
    (figure,) = count.figures(recorded)
    assert isinstance(figure, Scatter) and count.examples(recorded).distance.tolist() == [1, 1]


def test_the_component_counts(run_node, monkeypatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    from nodes import count_labels

    examples = run_node.examples(train=[{"label": "a"}, {"label": "a"}, {"label": "b"}], test=[{"label": "b"}])
    (counts,) = run_node(count_labels(examples=run_node.channel(examples)))["counts"]
    assert json.loads(Path(counts.uri, "labels.json").read_text()) == {"train": {"a": 2, "b": 1}, "test": {"b": 1}}
