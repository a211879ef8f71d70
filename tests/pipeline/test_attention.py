"""Attention rollout, of real models: it goes where the model looks, and there is none where there is no attention."""

from __future__ import annotations

import numpy as np
import pytest

from modelmill.components.models import family
from modelmill.components.testing.specs import make_spec
from modelmill.pipeline.report.explain import attention, token_attributions

SPEC = make_spec("image", (8, 12, 1), "uint8", ("a", "b"), mean=(100.0,), stddev=(50.0,))


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


VOCABULARY = ("[PAD]", "good", "bad", "the", "film")
TEXTS = make_spec("text", (6,), "int32", ("praise", "scorn"), {"vocabulary": len(VOCABULARY)})


def texts() -> tuple[np.ndarray, np.ndarray]:
    """Ids of texts of three to six words, of which "good" or "bad" decides."""
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    ids = np.zeros((60, 6), np.int32)
    for number, label in enumerate(labels):
        length = 3 + number % 4
        ids[number, :length] = random.integers(3, 5, length)
        ids[number, random.integers(length)] = 1 + label
    return ids, labels


@pytest.mark.parametrize("settings", [{}, {"pool": "first"}, {"norm": "post", "positions": "rotary"}])
def test_of_a_text_the_deciding_word_counts_most(settings: dict) -> None:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    small = {"family": "transformer_encoder", "width": 16, "depth": 1, "heads": 2, "hidden": 16, **settings}
    model = family.build(family.look_up("transformer_encoder").Config.model_validate(small), TEXTS)
    ids, labels = texts()
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.02), loss, ["accuracy"])
    model.fit(ids, labels, epochs=25, verbose=0)
    before = model(ids).numpy()
    hits = 0
    for one, label in zip(ids[:20], labels[:20], strict=True):
        found = token_attributions.attributions(model, one, int(label))
        assert found is not None and not found[one == 0].any()
        hits += one[np.abs(found).argmax()] == 1 + label
    assert hits >= 12  # of 20, by chance five
    np.testing.assert_array_equal(model(ids).numpy(), before)  # the model is as it was
    seen = attention.rollout(model, ids, ids != 0)
    assert seen is not None and seen.shape == ids.shape
    np.testing.assert_allclose(seen.sum(axis=1), 1, atol=1e-5)
    assert not seen[ids == 0].any()
