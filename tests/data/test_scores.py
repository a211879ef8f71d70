"""The reference functions give the figures of scikit-learn, and not a number where they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from modelmill.data import counting
from tests.data import reference_metrics as data_metrics

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 200)
ANSWERS = RANDOM.dirichlet(np.ones(3), 200).astype(np.float32) + 0.5 * np.eye(3, dtype=np.float32)[LABELS]
ANSWERS /= ANSWERS.sum(axis=1, keepdims=True)
BINARY = (LABELS == 1).astype(np.int64)
SCORES = np.round(RANDOM.normal(size=200) + BINARY, 1).astype(np.float32)  # with ties
TRUTHS = (RANDOM.random((200, 4)) < [0.5, 0.2, 0.1, 0.9]).astype(np.float32)
SHARES = np.clip(0.5 * TRUTHS + 0.7 * RANDOM.random((200, 4)), 0, 1).astype(np.float32)
NUMBERS = RANDOM.normal(5, 3, 200).astype(np.float32)
GUESSES = (NUMBERS + RANDOM.normal(size=200)).astype(np.float32)[:, None]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (data_metrics.accuracy(ANSWERS, LABELS), metrics.accuracy_score(LABELS, ANSWERS.argmax(1))),
        (data_metrics.balanced_accuracy(ANSWERS, LABELS), metrics.balanced_accuracy_score(LABELS, ANSWERS.argmax(1))),
        (data_metrics.macro_f1(ANSWERS, LABELS), metrics.f1_score(LABELS, ANSWERS.argmax(1), average="macro")),
        (data_metrics.auc(SCORES, BINARY), metrics.roc_auc_score(BINARY, SCORES)),
        (data_metrics.micro_f1(SHARES, TRUTHS), metrics.f1_score(TRUTHS, SHARES > 0.5, average="micro")),
        (data_metrics.macro_f1_of_labels(SHARES, TRUTHS), metrics.f1_score(TRUTHS, SHARES > 0.5, average="macro")),
        (data_metrics.subset_accuracy(SHARES, TRUTHS), metrics.accuracy_score(TRUTHS, SHARES > 0.5)),
        (data_metrics.macro_auc(SHARES, TRUTHS), metrics.roc_auc_score(TRUTHS, SHARES, average="macro")),
        (data_metrics.r2(GUESSES, NUMBERS), metrics.r2_score(NUMBERS, GUESSES[:, 0])),
        (data_metrics.rmse(GUESSES, NUMBERS), metrics.root_mean_squared_error(NUMBERS, GUESSES[:, 0])),
        (data_metrics.mae(GUESSES, NUMBERS), metrics.mean_absolute_error(NUMBERS, GUESSES[:, 0])),
    ],
)
def test_figures_are_those_of_scikit_learn(found: float, wanted: float) -> None:
    assert found == pytest.approx(wanted, abs=1e-6)


def test_the_partial_area_is_a_share_of_what_can_be_had() -> None:
    false, true, _ = metrics.roc_curve(BINARY, SCORES, drop_intermediate=False)
    x = np.linspace(0, 0.1, 100_001)
    # numpy takes the last of equal x, as the curve does.
    wanted = np.mean([np.interp(one, false, true) for one in x[::1000]])
    assert data_metrics.partial_auc(SCORES, BINARY) == pytest.approx(wanted, abs=0.01)
    assert data_metrics.partial_auc(BINARY.astype(np.float32), BINARY) == pytest.approx(1)


def test_two_classes_are_the_second_against_the_first() -> None:
    two = np.stack([1 - SCORES, SCORES], axis=1)
    assert data_metrics.auc_of_second(two, BINARY) == data_metrics.auc(SCORES, BINARY)
    assert data_metrics.f1(two, BINARY) == pytest.approx(metrics.f1_score(BINARY, SCORES > 0.5))


def test_what_means_nothing_is_not_a_number() -> None:
    none = np.zeros(200, np.int64)
    for function in (data_metrics.auc, data_metrics.partial_auc):
        assert np.isnan(function(SCORES, none)) and np.isnan(function(SCORES, none + 1))
    assert np.isnan(data_metrics.r2(GUESSES, np.ones(200)))


def test_bins_of_calibration_by_hand() -> None:
    found = counting.calibration(np.array([0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0], bool))
    assert found.bins == [
        {"confidence": pytest.approx(0.55), "accuracy": 0.5, "examples": 2},
        {"confidence": pytest.approx(0.95), "accuracy": 1, "examples": 2},
    ]
    assert found.error == pytest.approx(0.05)


def test_the_bins_are_the_same_in_any_precision() -> None:
    sure = np.arange(1, 10, dtype=np.float32) / 10  # on the edges: 0.7 in float32 is less than 0.7
    correct = np.arange(9) % 2 == 0
    single, double = (counting.calibration(sure.astype(kind), correct) for kind in (np.float32, np.float64))
    assert single == double and len(single.bins) == 9
    answers = np.stack([sure, 1 - sure, np.zeros(9, np.float32)], axis=1)
    wanted = counting.calibration(answers.max(axis=1), answers.argmax(axis=1) == 0)
    assert data_metrics.calibration_error(answers, np.zeros(9, np.int64)) == wanted.error


def test_a_model_that_is_as_sure_as_it_is_right_is_calibrated() -> None:
    labels = np.arange(100) % 10 == 0
    sure = np.tile(np.array([[0.9, 0.1]], np.float32), (100, 1))
    assert data_metrics.calibration_error(sure, labels.astype(np.int64)) == pytest.approx(0, abs=1e-6)
    assert data_metrics.calibration_error(np.roll(sure, 1, axis=1), labels.astype(np.int64)) == pytest.approx(
        0.8, abs=1e-6
    )
