"""Augmentation of tables and series: strength 0 is the identity, and what is no number stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.testing.specs import make_spec
from modelmill.data import modality
from modelmill.data.spec import Column

series = modality.look_up("series")
tabular = modality.look_up("tabular")

RANDOM = np.random.default_rng(0)
ROWS = np.concatenate([RANDOM.normal(size=(6, 2)), RANDOM.integers(0, 5, (6, 2))], axis=1).astype(np.float32)
KINDS = ("number", "days", "category", "missing")
TABLE = make_spec("tabular", (4,), "float32", facts={"columns": [Column(column="a", kind=one) for one in KINDS]})
SERIES_SPEC = make_spec("series", (12, 3), "float32")
SERIES = RANDOM.normal(size=(6, 12, 3)).astype(np.float32)
SERIES[:, :, 2] = np.arange(12) < np.array([12, 3, 7, 12, 1, 9])[:, np.newaxis]
SERIES[:, :, :2] *= SERIES[:, :, 2:]
SEEDS = tf.constant([[0, one] for one in range(6)], tf.int64)
LABELS = np.eye(6, dtype=np.float32)
CASES: list[tuple[Any, np.ndarray, Any]] = [
    *((tabular, ROWS, tabular.Policy(**one).fitted(TABLE)) for one in ({"jitter": 0.2}, {"scaling": 0.3})),
    *((series, SERIES, series.Policy(**one)) for one in ({"jitter": 0.2}, {"scaling": 0.3}, {"permutation": 4})),
    *((series, SERIES, series.Policy(**one)) for one in ({"time_warp": 0.4}, {"window_slice": 0.4})),
]
NAMES = [f"{kind.INPUT} {policy.model_dump(exclude_defaults=True)}" for kind, _, policy in CASES]


def specs(kind: Any) -> Any:
    return TABLE if kind is tabular else SERIES_SPEC


def augmented(kind: Any, inputs: Any, seeds: tf.Tensor, policy: Any) -> np.ndarray:
    batch = {kind.INPUT: tf.constant(inputs), "label": tf.range(len(inputs))}
    made = kind.augment(batch, seeds, policy, specs(kind))
    np.testing.assert_array_equal(made["label"], batch["label"])
    return made[kind.INPUT].numpy()


def mixed_up(kind: Any, inputs: Any, policy: Any) -> tuple[np.ndarray, np.ndarray]:
    batch = {kind.INPUT: tf.constant(inputs), "label": tf.constant(LABELS)}
    made = kind.mix(batch, SEEDS, policy, specs(kind))
    return made[kind.INPUT].numpy(), made["label"].numpy()


@pytest.mark.parametrize(("kind", "inputs", "policy"), CASES, ids=NAMES)
def test_a_change_changes_numbers_alone_and_with_strength_0_nothing(kind: Any, inputs: Any, policy: Any) -> None:
    changed = augmented(kind, inputs, SEEDS, policy)
    assert changed.shape == inputs.shape and changed.dtype == np.float32 and np.isfinite(changed).all()
    assert (changed != inputs).reshape(6, -1).any(axis=1).sum() >= 2
    if kind is tabular:
        np.testing.assert_array_equal(changed[:, 2:], inputs[:, 2:])
    else:
        np.testing.assert_array_equal(changed[..., 2], inputs[..., 2])
        assert (changed[inputs[..., 2] == 0] == 0).all(), "what is padded stays so"
    off = policy.model_copy(update={"strength": 0.0})
    np.testing.assert_array_equal(augmented(kind, inputs, SEEDS, off), inputs)


@pytest.mark.parametrize(("kind", "inputs", "policy"), CASES, ids=NAMES)
def test_an_example_draws_by_its_own_seed_whatever_the_batch(kind: Any, inputs: Any, policy: Any) -> None:
    whole = augmented(kind, inputs, SEEDS, policy)
    part = augmented(kind, inputs[3:5], SEEDS[3:5], policy)
    np.testing.assert_allclose(part, whole[3:5], atol=1e-6)
    other = augmented(kind, inputs, SEEDS + 1000, policy)
    assert np.any(other != whole)


@pytest.mark.parametrize(
    ("kind", "inputs", "policy"),
    [(tabular, ROWS, tabular.Policy(mixup=1).fitted(TABLE)), (series, SERIES, series.Policy(mixup=1))],
)
def test_mixup_mixes_numbers_and_labels_alike(kind: Any, inputs: Any, policy: Any) -> None:
    assert policy.mixes() and not policy.changes()
    mixed, labels = mixed_up(kind, inputs, policy)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    own = labels[np.arange(6), np.arange(6)]
    assert (own >= 0.5).all() and (own < 1).any()
    if kind is tabular:
        np.testing.assert_array_equal(mixed[:, 2:], inputs[:, 2:])
        expected = own[:, np.newaxis] * inputs + (1 - own)[:, np.newaxis] * np.roll(inputs, 1, axis=0)
        np.testing.assert_allclose(mixed[:, :2], expected[:, :2], atol=1e-5)
    off = policy.model_copy(update={"strength": 0.0})
    same, plain = mixed_up(kind, inputs, off)
    np.testing.assert_array_equal(same, inputs)
    np.testing.assert_array_equal(plain, LABELS)
