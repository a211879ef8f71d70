"""The family transformer_encoder: what its options let it see, and what padding may not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras

from modelmill.components.models import family
from modelmill.components.models.families import transformer_encoder
from modelmill.components.testing.specs import make_spec

IDS = [2, 7, 9, 5, 11, 3]


def built(length: int, **options: Any) -> tf_keras.Model:
    spec = make_spec("text", (length,), "int32", ("a", "b"), {"vocabulary": 16})
    tf_keras.utils.set_random_seed(3)
    small = {"width": 8, "depth": 1, "heads": 2, "hidden": 8, "positions": "none", **options}
    return family.build(transformer_encoder.TransformerEncoderConfig.model_validate(small), spec)


def padded(ids: list[int], length: int) -> np.ndarray:
    return np.array([ids + [0] * (length - len(ids))], np.int32)


@pytest.mark.parametrize("pool", ["mean", "max", "both", "first"])
@pytest.mark.parametrize("window", [1, 3, 4])
def test_padding_changes_nothing(pool: str, window: int) -> None:
    long, exact = built(12, pool=pool, window=window), built(len(IDS), pool=pool, window=window)
    exact.set_weights(long.get_weights())
    np.testing.assert_allclose(long(padded(IDS, 12)), exact(np.array([IDS], np.int32)), atol=1e-5)


def test_a_window_sees_which_tokens_are_neighbours() -> None:
    swapped = [*IDS[:2], IDS[3], IDS[2], *IDS[4:]]
    for window, differ in ((1, False), (3, True)):
        model = built(8, window=window)
        one, two = model(padded(IDS, 8)).numpy(), model(padded(swapped, 8)).numpy()
        assert (np.abs(one - two).max() > 1e-5) == differ
