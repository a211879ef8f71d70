"""Rare classes are drawn more often, as far as the experiment says; an epoch keeps its length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.models.training.dataset import Examples
from modelmill.components.testing.pytest_plugin import example_proto
from modelmill.components.testing.specs import make_spec
from modelmill.data import modality

tabular = modality.look_up("tabular")

SPEC = make_spec("tabular", (1,), "float32", ("often", "seldom"))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """90 examples of one class, 10 of the other; each is a number of its own."""
    path = str(tmp_path / "examples.gz")
    with tf.io.TFRecordWriter(path, options="GZIP") as writer:
        for number in range(100):
            record = {"row": [float(number)], "label": int(number >= 90)}
            writer.write(example_proto(record).SerializeToString())
    return path


def passed(examples: Examples, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    batches = list(examples.training(tabular.Policy(), 0, epoch).as_numpy_iterator())
    return np.concatenate([one for one, _ in batches])[:, 0], np.concatenate([one for _, one in batches])


@pytest.mark.parametrize(("oversample", "low", "high"), [(0.0, 10, 10), (0.5, 15, 40), (1.0, 35, 65)])
def test_rare_classes_are_drawn_more_often(file: str, oversample: float, low: int, high: int) -> None:
    inputs, labels = passed(Examples([file], SPEC, 16, oversample))
    assert len(labels) == 100
    assert low <= labels.sum() <= high
    assert set(inputs[labels == 1]) == set(range(90, 100)) or oversample == 0.5
    assert len(set(inputs[labels == 0])) == (labels == 0).sum(), "none of the frequent class twice"


def test_passes_of_one_number_are_equal_and_others_are_not(file: str) -> None:
    examples = Examples([file], SPEC, 16, 1.0)
    first, again, other = (passed(examples, epoch)[0] for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
