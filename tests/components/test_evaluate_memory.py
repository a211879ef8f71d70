"""The memory of an evaluation does not grow with the number of examples: the small form of bench_evaluation_memory."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import bench_evaluation_memory as bench


def test_four_times_the_examples_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (bench.in_child(tmp_path / str(count), count, "half") for count in (1_500, 6_000))
    assert many["examples"] == 6_000
    # The whole answers of both models alone would be 36 MB more.
    assert many["peak"] - few["peak"] < 18e6
