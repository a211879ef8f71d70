"""Metrics add up: statistics of any parts, merged, give the figure of the whole, which is that of plain functions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from modelmill.data import counting, metrics, ranking, task
from modelmill.data.metric import Metric, Records, Stats
from tests.data import reference_metrics as plain

MEBIBYTE = 2**20


def classes(examples: int, outputs: int, random: np.random.Generator) -> tuple[Any, Any]:
    labels = random.integers(-1 if outputs > 2 else 0, outputs, examples)  # -1: training never saw the label
    answers = random.dirichlet(np.ones(outputs), examples) + 0.4 * np.eye(outputs)[labels]
    return (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32), labels


def several(examples: int, random: np.random.Generator) -> tuple[Any, Any]:
    truths = (random.random((examples, 4)) < [0.5, 0.2, 0.1, 0]).astype(np.float32)  # nobody has the last one
    return np.clip(0.5 * truths + 0.7 * random.random((examples, 4)), 0, 1).astype(np.float32), truths


def numbers(examples: int, random: np.random.Generator) -> tuple[Any, Any]:
    truths = random.normal(1e4, 3, examples).astype(np.float32)
    return (truths + random.normal(size=examples)).astype(np.float32)[:, None], truths


def scores(examples: int, random: np.random.Generator) -> tuple[Any, Any]:
    odd = (random.random(examples) < 0.2).astype(np.int64)
    found = np.exp(random.normal(-2, 1, examples) + odd)
    return np.round(found, 2).astype(np.float32)[:, None], odd  # with ties


GIVEN = {
    "classification": lambda examples, random: classes(examples, 2, random),
    "multilabel": several,
    "regression": numbers,
    "anomaly": scores,
}
FUNCTIONS = {
    metrics.ACCURACY: plain.accuracy,
    metrics.BALANCED_ACCURACY: plain.balanced_accuracy,
    metrics.MACRO_F1: plain.macro_f1,
    metrics.F1: plain.f1,
    metrics.AUC: plain.auc_of_second,
    metrics.CALIBRATION_ERROR: plain.calibration_error,
    metrics.MICRO_F1: plain.micro_f1,
    metrics.MACRO_F1_OF_LABELS: plain.macro_f1_of_labels,
    metrics.SUBSET_ACCURACY: plain.subset_accuracy,
    metrics.MACRO_AUC: plain.macro_auc,
    metrics.ANOMALY_AUC: plain.auc,
    metrics.ANOMALY_PARTIAL_AUC: plain.partial_auc,
    metrics.R2: plain.r2,
    metrics.RMSE: plain.rmse,
    metrics.MAE: plain.mae,
}
OURS = [(name, metric) for name in GIVEN for metric in task.look_up(name).METRICS]


def parts_of(recorded: Records, cuts: Any) -> list[Records]:
    borders = [0, *sorted(cuts), len(next(iter(recorded.values())))]
    return [{key: value[begin:end] for key, value in recorded.items()} for begin, end in pairwise(borders)]


def merged(metric: Metric, parts: list[Records], random: np.random.Generator) -> Stats:
    """Statistics of parts in any order, merged by twos, threes and ones, as Beam's runners do."""
    found = [metric.accumulate(part) for part in parts] + [{}]
    random.shuffle(found)
    while len(found) > 1:
        some = int(random.integers(1, 4))
        found = [*found[some:], metric.merge(found[:some])]
    return found[0]


@pytest.mark.parametrize(("name", "metric"), OURS, ids=[f"{name}-{metric.name}" for name, metric in OURS])
def test_any_partition_gives_the_figure_of_the_plain_function(name: str, metric: Metric) -> None:
    random = np.random.default_rng(len(metric.name))
    for examples in (1, 2, 7, 60, 500):
        answers, labels = GIVEN[name](examples, random)
        recorded = task.look_up(name).record(answers, labels)
        wanted = FUNCTIONS[metric](answers, labels)
        assert metric.of(recorded) == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)
        for _ in range(5):
            cuts = random.integers(0, examples + 1, int(random.integers(0, 12)))  # equal ones: empty parts
            stats = merged(metric, parts_of(recorded, cuts), random)
            assert metric.value(stats) == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)
    assert np.isnan(metric.value({})) and np.isnan(metric.of(parts_of(recorded, [0])[0]))
    assert metric.merge([]) == {}


@pytest.mark.parametrize("metric", [metrics.ACCURACY, metrics.BALANCED_ACCURACY, metrics.MACRO_F1])
def test_a_thousand_classes_and_labels_that_training_never_saw(metric: Metric) -> None:
    random = np.random.default_rng(0)
    answers, labels = classes(800, 1000, random)
    recorded = task.look_up("classification").record(answers, labels)
    assert recorded["classes"].shape == (800, 10) and (labels == -1).any()
    stats = merged(metric, parts_of(recorded, [5, 5, 300, 799]), random)
    assert metric.value(stats) == pytest.approx(FUNCTIONS[metric](answers, labels), rel=1e-12)


def test_pairs_of_models_are_counted_by_who_is_right_alone() -> None:
    random = np.random.default_rng(0)
    record = task.look_up("classification").record
    (first, labels), second = classes(300, 5, random), classes(300, 5, random)[0]
    pair = [parts_of(record(answers, labels), [3, 3, 150]) for answers in (first, second)]
    stats = metrics.ACCURACY.merge(metrics.ACCURACY.accumulate_pair(*both) for both in zip(*pair, strict=True))
    one, other = (plain.right_class(answers, labels) for answers in (first, second))
    counts = [float(stats[key][0]) for key in ("only_first", "only_second", "examples")]
    assert counts == [(one & ~other).sum(), (other & ~one).sum(), 300]
    assert counting.differing(stats) == pytest.approx((one != other).mean())
    with pytest.raises(TypeError, match="rmse is no share of examples"):
        metrics.RMSE.accumulate_pair({}, {})


@pytest.mark.parametrize("metric", [metrics.AUC, metrics.ANOMALY_AUC, metrics.ANOMALY_PARTIAL_AUC])
@pytest.mark.parametrize("spread", [0.02, 1.0, 6.0])
def test_histograms_are_close_to_the_exact_area(metric: ranking.Ranking, spread: float) -> None:
    """Also of scores that hardly differ, and of probabilities that crowd at 0 and 1."""
    random = np.random.default_rng(1)
    odd = random.random(40_000) < 0.1
    logits = spread * (random.normal(size=40_000) + odd) + (2 if spread > 1 else 0)
    if metric is metrics.AUC:
        second = (1 / (1 + np.exp(-logits))).astype(np.float32)
        given, name = np.stack([1 - second, second], axis=1), "classification"
    else:
        second, name = np.exp(logits).astype(np.float32), "anomaly"
        given = second[:, None]
    recorded = task.look_up(name).record(given, odd.astype(np.int64))
    stats = merged(metric, parts_of(recorded, [10_000, 19_999, 20_001]), random)
    assert "scores" not in stats and stats["positive"].sum() == odd.sum()
    exact = (plain.partial_auc if metric is metrics.ANOMALY_PARTIAL_AUC else plain.auc)(second, odd)
    assert metric.value(stats) == pytest.approx(exact, abs=0.002)
    assert metric.value(stats) == metric.of(recorded)
    few = {key: value[:19_999] for key, value in recorded.items()}
    assert "scores" in metric.accumulate(few)


def test_statistics_take_at_most_a_mebibyte() -> None:
    random = np.random.default_rng(0)
    for name, make in GIVEN.items():
        for examples in (19_999, 20_000):
            recorded = task.look_up(name).record(*make(examples, random))
            for metric in task.look_up(name).METRICS:
                assert sum(value.nbytes for value in metric.accumulate(recorded).values()) <= MEBIBYTE
    many = task.look_up("multilabel").record(random.random((300, 1000)).astype(np.float32), random.random((300, 1000)))
    for part in (many, {key: value[:60] for key, value in many.items()}):
        stats = metrics.MACRO_AUC.accumulate(part)
        assert sum(value.nbytes for value in stats.values()) <= MEBIBYTE
    wanted = plain.macro_auc(many["answer"], many["label"])
    assert metrics.MACRO_AUC.of(many) == pytest.approx(wanted, abs=0.005)


def test_scores_that_are_no_numbers_mean_nothing() -> None:
    odd = np.arange(30_000) % 2
    found = odd[:, None].astype(np.float32)
    assert metrics.ANOMALY_AUC.of(task.look_up("anomaly").record(found, odd)) == 1
    found[7] = np.nan
    for examples in (100, 30_000):
        recorded = task.look_up("anomaly").record(found[:examples], odd[:examples])
        assert np.isnan(metrics.ANOMALY_AUC.of(recorded)) and np.isnan(metrics.ANOMALY_PARTIAL_AUC.of(recorded))


def test_an_answer_that_is_no_number_is_recorded_as_such() -> None:
    given = np.array([[0.6, np.nan, 0.4], [0.1, 0.2, 0.7]], np.float32)
    recorded = task.look_up("classification").record(given, np.array([1, -1]))
    assert recorded["classes"].tolist() == [[1, 0, 2], [2, 1, 0]]
    assert np.isnan(recorded["probabilities"][0, 0]) and np.isnan(recorded["right"]).all()
