"""Attention rollout, of real models: it goes where the model looks, and there is none where there is no attention."""

from __future__ import annotations

import numpy as np
import pytest

from components.models import family
from data.modality import Spec
from pipeline.report import attention

SPEC = Spec(modality="image", shape=(8, 12, 1), dtype="uint8", labels=("a", "b"), mean=(100.0,), stddev=(50.0,))


@pytest.mark.parametrize("pool", ["mean", "token"])
def test_a_vision_transformer_has_it(pool: str) -> None:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    settings = {"family": "vit", "patch": 4, "width": 16, "depth": 2, "heads": 2, "pool": pool}
    model = family.build(family.look_up("vit").Config.model_validate(settings), SPEC)
    images = np.random.default_rng(0).normal(size=(3, 8, 12, 1)).astype(np.float32)
    found = attention.rollout(model, images)
    assert found is not None and found.shape == (3, 6 + (pool == "token"))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found > 0).all() and not np.allclose(found[0], found[1])
    picture = attention.grid(found[0], 8, 12)
    assert picture is not None and picture.shape == (2, 3, 1) and picture.max() == 255


def test_it_is_brightest_where_the_keys_stand_out() -> None:
    import tf_keras

    inputs = tf_keras.Input((4, 8))
    layer = tf_keras.layers.MultiHeadAttention(1, 8)
    outputs = tf_keras.layers.Dense(2)(tf_keras.layers.GlobalAveragePooling1D()(layer(inputs, inputs)))
    model = tf_keras.Model(inputs, outputs)
    # Every query is ones, every key the token itself: the token of ones draws all attention.
    layer._query_dense.set_weights([np.zeros((8, 1, 8)), np.ones((1, 8))])
    layer._key_dense.set_weights([np.eye(8)[:, np.newaxis], np.zeros((1, 8))])
    tokens = np.zeros((1, 4, 8), np.float32)
    tokens[0, 2] = 10
    found = attention.rollout(model, tokens)
    assert found is not None and found[0].argmax() == 2 and found[0, 2] > 0.6


def test_there_is_none_without_attention() -> None:
    model = family.build(family.look_up("cnn").Config(filters=(4,)), SPEC)
    assert attention.rollout(model, np.zeros((1, 8, 12, 1), np.float32)) is None
    assert attention.grid(np.full(5, 0.2, np.float32), 8, 12) is None
