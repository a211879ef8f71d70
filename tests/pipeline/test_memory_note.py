"""What a run tells of the memory that it will need."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.preflight import memory_estimate


def test_it_is_told_early_and_a_warning_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    for number in range(3):
        (tmp_path / "a" / f"{number}.png").write_bytes(bytes(1_000_000))
    experiment = load("digits-cnn")
    found = memory_estimate.note(experiment, tmp_path)
    assert found and found.startswith("memory: about 1.3 GB") and found.endswith("3 files of 3.0 MB in all")
    available = memory_estimate.available()
    assert available is None or available > 0
    monkeypatch.setattr(memory_estimate, "available", lambda: 10**9)
    found = memory_estimate.note(experiment, tmp_path)
    assert found and found.startswith("WARNING: ") and "only 1.0 GB are free" in found and "run.beam" in found
    assert memory_estimate.note(load("digits-cnn", ["run.beam=['--runner=FlinkRunner']"]), tmp_path) is None
