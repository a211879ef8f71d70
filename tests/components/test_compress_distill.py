"""Distillation: what a student learns from its teacher."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers

from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.rewrites import distillation
from modelmill.components.compress.rewrites.distillation import Terms
from modelmill.components.models.training import loop
from modelmill.components.models.training.container import Container
from modelmill.components.testing.specs import make_spec
from modelmill.data import task


def network(width: int, name: str) -> tf_keras.Model:
    inputs = tf_keras.Input((6, 6, 1))
    features = layers.Conv2D(width, 3, activation="relu", name=f"{name}_conv")(inputs)
    return tf_keras.Model(inputs, layers.Dense(3, name=f"{name}_logits")(layers.GlobalAveragePooling2D()(features)))


SPEC = make_spec("image", (6, 6, 1), "uint8", ("a", "b", "c"))


def fit(student: tf_keras.Model, teacher: tf_keras.Model, terms: Terms, labels: np.ndarray, epochs: int = 60) -> None:
    lessons = distillation.Lessons(student, teacher, terms)
    supervised, asked = loop.look_up("supervised"), task.look_up("classification")
    trained = Container({"main": student}, supervised, loop.DEFAULT, asked, SPEC, addition=lessons)
    trained.compile_updates([tf_keras.optimizers.Adam(0.02)])
    images = np.random.default_rng(0).normal(size=(len(labels), 6, 6, 1)).astype(np.float32)
    rows = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32)
    trained.fit(rows, epochs=epochs, verbose=0)


def test_a_student_learns_from_the_teacher_alone_what_it_answers() -> None:
    tf_keras.utils.set_random_seed(0)
    teacher, student = network(4, "teacher"), network(4, "student")
    before = [value.copy() for value in teacher.get_weights()]
    images = np.random.default_rng(1).normal(size=(64, 6, 6, 1)).astype(np.float32)

    def gap() -> float:
        return float(np.mean(np.abs(tf.nn.softmax(teacher(images)) - tf.nn.softmax(student(images)))))

    away = gap()
    # The labels say always the first class; with weight 1 nobody listens to them.
    fit(student, teacher, Terms(weight=1.0, temperature=2.0), np.zeros(128, np.int64))
    assert gap() < 0.3 * away
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # A copy of it, made for the next chain, can still be trained.
    assert all(layer.trainable for layer in tf_keras.models.clone_model(teacher).layers)


def test_with_weight_0_only_the_labels_count() -> None:
    tf_keras.utils.set_random_seed(0)
    teacher, student = network(4, "teacher"), network(4, "student")
    fit(student, teacher, Terms(weight=0.0), np.zeros(128, np.int64), epochs=20)
    assert (student(np.zeros((1, 6, 6, 1), np.float32)).numpy().argmax(axis=1) == 0).all()


def test_weights_are_kept_small_whoever_teaches() -> None:
    """What a layer adds to the loss counts in full, with the teacher's answers in place of the labels too."""

    def size(l2: float) -> float:
        tf_keras.utils.set_random_seed(0)
        inputs = tf_keras.Input((6, 6, 1))
        logits = layers.Dense(3, kernel_regularizer=tf_keras.regularizers.L2(l2))(layers.Flatten()(inputs))
        student = tf_keras.Model(inputs, logits)
        fit(student, network(4, "teacher"), Terms(weight=1.0), np.zeros(128, np.int64), epochs=20)
        return float(np.abs(student.layers[-1].kernel).sum())

    assert size(1.0) < 0.5 * size(0.0)


def test_features_and_attention_bring_the_layers_nearer() -> None:
    tf_keras.utils.set_random_seed(0)
    teacher, student = network(8, "teacher"), network(4, "student")
    images = np.random.default_rng(1).normal(size=(64, 6, 6, 1)).astype(np.float32)

    def attention() -> float:
        own, wanted = (tf_keras.Model(m.inputs, m.layers[1].output)(images) for m in (student, teacher))
        return float(tf.reduce_mean(distillation._attention(own, wanted)))

    away = attention()
    pairs = {"student_conv": "teacher_conv"}
    terms = Terms(weight=0.5, features=pairs, feature_weight=0.1, attention=pairs, attention_weight=5.0)
    fit(student, teacher, terms, np.zeros(128, np.int64))
    assert attention() < 0.7 * away


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"student": {"family": "cn"}}, "did you mean 'cnn'"),
        ({"student": {"filters": [8]}}, "the student needs a family"),
        ({"student": {"family": "cnn", "filters": [0]}}, "at least 1"),
        ({"temperature": 0}, "distill.temperature: found 0"),
    ],
)
def test_a_student_that_there_can_not_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_chain([{"distill": settings}])


def test_a_student_from_scratch_would_lose_what_was_pruned() -> None:
    with pytest.raises(ValueError, match="distill would undo prune; use prune after distill"):
        parse_chain(["prune", "distill"])
    assert len(parse_chain(["distill", "structured", "prune", "int8"])) == 4
