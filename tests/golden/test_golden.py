"""Golden numbers: refactoring changes no result. Same data, same seed, same counts, figures and bytes.

Where they are to change, `make golden-record` writes expected.json anew; its diff says what has changed.
`make golden BASE=COMMIT` compares all of the experiments with another commit, on this machine.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from modelmill.data import task
from tests.golden import checkouts, compare, record
from tests.golden.against import EXPECTED

# Each task and each modality in as little time as possible; the others are for `make golden`.
NAMES = ("audio-classification", "image-multilabel", "series-classification", "tabular-anomaly", "tabular-regression",
         "text-classification")  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return record.read(EXPECTED)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The record of this checkout."""
    return record.record(checkouts.ROOT, NAMES)


def sections(name: str, key: str) -> str:
    """Return a value of the section `data` of an experiment."""
    content = yaml.safe_load((record.EXPERIMENTS / f"{name}.yaml").read_text())
    return task.name_of(content["data"].get(key))


@pytest.mark.parametrize(
    ("key", "covered"),
    [
        ("task", {"classification", "regression", "multilabel", "anomaly"}),
        ("modality", {"image", "tabular", "series", "text", "audio"}),
    ],
)
def test_each_task_and_modality_has_an_experiment(key: str, covered: set[str]) -> None:
    assert {sections(name, key) for name in NAMES} >= covered


def test_all_experiments_are_recorded(expected: dict[str, Any]) -> None:
    assert set(expected["experiments"]) == set(record.NAMES) >= set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_counts_strings_gates_and_figures_are_as_recorded(
    name: str, expected: dict[str, Any], found: dict[str, Any]
) -> None:
    first, second = (compare.subset(each, (name,)) for each in (expected, found))
    rows = [row for row in compare.differences(first, second) if row.part != "digests"]
    assert not rows, compare.text(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_digests_are_as_recorded(name: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
    reason = compare.incomparable(expected, found)
    if reason:
        pytest.skip(f"not compared: {reason}")
    first, second = (each["experiments"][name]["digests"] for each in (expected, found))
    assert second == first
