"""A split by time compares moments, however they are written, and refuses what is none."""

from __future__ import annotations

import datetime
from collections import Counter

import pytest
from pydantic import ValidationError

from modelmill.data.splits import BadSplitError, SplitConfig


def by_time(eval_from: str, test_from: str) -> SplitConfig:
    return SplitConfig(by="time", column="when", eval_from=eval_from, test_from=test_from)


def test_days_written_without_zeros_are_in_their_order() -> None:
    weeks = [datetime.date(2022, 1, 1) + datetime.timedelta(weeks=number) for number in range(100)]
    split = by_time("2023-9-1", "2023-10-15")
    written = Counter(split.decided(f"{day.year}-{day.month}-{day.day}", "")[0] for day in weeks)
    assert written == Counter(split.decided(day.isoformat(), "")[0] for day in weeks)
    assert written == {"train": 87, "eval": 7, "test": 6}


@pytest.mark.parametrize(
    ("cell", "split"),
    [
        ("30.6.2023", "train"),
        ("1.7.2023", "eval"),
        ("2023-07", "eval"),
        ("2023-06-30T23:30:00Z", "train"),
        ("2023-06-30 23:30:00-02:00", "eval"),
        ("2023-07-01T00:30+02:00", "train"),
        ("31.12.2023 10:00", "eval"),
        ("2024-01-01T00:00:00.000", "test"),
    ],
)
def test_moments_count_however_they_are_written(cell: str, split: str) -> None:
    assert by_time("2023-07-01", "2024-01-01").decided(cell, "row 1") == (split, None)


@pytest.mark.parametrize("split", [SplitConfig(), SplitConfig(by="group", column="id")])
def test_names_of_groups_are_no_times(split: SplitConfig) -> None:
    assert [split.decided(name, "")[1] for name in ("5", "Zoe", "2023-01-01")] == ["5", "Zoe", "2023-01-01"]


@pytest.mark.parametrize("cell", ["12/31/2023", "2023-02-30", "soon", "20230701", "2023-07-01 at noon", "5"])
def test_what_is_no_such_time_is_refused_by_row(cell: str) -> None:
    with pytest.raises(BadSplitError, match=f"a.csv, row 7: 'when' .*'{cell}'"):
        by_time("2023-07-01", "2024-01-01").decided(cell, "a.csv, row 7")


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        (("1.1.2023", "someday"), "test_from: found 'someday'; allowed are numbers, YYYY-MM-DD"),
        (("2023-10-1", "2023-9-1"), "must be before"),
        (("10", "9"), "must be before"),
        (("2", "2023-01-01"), "must be before"),
    ],
)
def test_bounds_that_are_none_are_refused_with_the_experiment(bounds: tuple[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        by_time(*bounds)
