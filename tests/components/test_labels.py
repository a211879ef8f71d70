"""Labels as numbers and as shares of classes, and training on examples that are mixed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.models import family
from modelmill.components.models.families import cnn
from modelmill.components.models.training import driver
from modelmill.components.models.training.config import LearningConfig, OptimizerConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality, specs, task

image = modality.look_up("image")


@pytest.fixture(scope="module")
def examples(prepared: SimpleNamespace, image_config: Any) -> dict[str, Examples]:
    (made,) = prepared.transform.outputs["transformed_examples"].get()
    (graph,) = prepared.transform.outputs["transform_graph"].get()
    files = {split: [str(path) for path in Path(made.uri, f"Split-{split}").iterdir()] for split in ("train", "eval")}
    spec = specs.describe(graph.uri, files["train"], image_config)
    return {split: Examples(found, spec, 16) for split, found in files.items()}


def test_both_kinds_of_labels_mean_the_same() -> None:
    logits = tf.constant(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    numbers = tf.constant([0, 1, 2, 0, 1])
    classification = task.look_up("classification")
    for one in (classification.loss, classification.train_metric):
        shares = one(tf.one_hot(numbers, 3), logits)
        np.testing.assert_allclose(shares, one(numbers[:, tf.newaxis], logits), atol=1e-6)
        np.testing.assert_allclose(shares, one(numbers, logits), atol=1e-6)
        assert shares.shape == (5,)


def test_mixed_passes_give_shares_and_repeat_themselves(examples: dict[str, Examples]) -> None:
    policy = image.Policy(mixup=0.4, cutmix=1.0)
    passes = [list(examples["train"].training(policy, 3, epoch).as_numpy_iterator()) for epoch in (0, 0, 1)]
    inputs, shares = passes[0][0]
    assert inputs.shape == (16, 12, 12, 1) and shares.shape == (16, 3) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert ((shares > 0.01).sum(axis=1) == 2).any()
    np.testing.assert_array_equal(inputs, passes[1][0][0])
    assert np.any(inputs != passes[2][0][0])
    plain = examples["train"].training(image.Policy(mixup=0.4, strength=0), 3, 0)
    assert next(iter(plain))[1].dtype == tf.int64


def test_a_model_learns_from_mixed_examples(examples: dict[str, Examples], tmp_path: Path) -> None:
    tf_keras.utils.set_random_seed(0)
    spec, config = examples["train"].spec, cnn.CnnConfig(filters=(8,), dense=(16,))
    learning = LearningConfig(epochs=12, batch=16, optimizer=OptimizerConfig(learning_rate=0.01))
    _, history = driver.train(
        build=lambda: family.build(config, spec),
        examples=examples,
        learning=learning,
        policy=image.Policy(mixup=0.3, horizontal_flip=0.5),
        seed=0,
        strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
        checkpoints=tmp_path,
    )
    assert max(row["val_accuracy"] for row in history) >= 0.95
