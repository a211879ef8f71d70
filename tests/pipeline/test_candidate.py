"""Putting a run's trials back, to push another one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.runners.local import push_candidate


def recorded_run(root: Path, report: dict[str, Any] | None) -> Path:
    """The folder of a run of digits-cnn as it lies on the disk, without a metadata store."""
    run = root / "digits-cnn" / "20260101-000000"
    artifact = root / "digits-cnn" / "artifacts" / "compress" / "report" / "7"
    (run / "links" / "compress").mkdir(parents=True)
    import yaml

    (run / "experiment.yaml").write_text(yaml.safe_dump(load("digits-cnn").model_dump(mode="json")))
    if report is not None:
        for number in (0, 1):
            (artifact / "trials" / str(number)).mkdir(parents=True)
            (artifact / "trials" / str(number) / "model.tflite").write_text(str(number))
        (artifact / "trials.json").write_text(json.dumps(report))
        (run / "links" / "compress" / "report").symlink_to(artifact)
    return run


REPORT = {
    "float": {"status": "ok"},
    "trials": [{"status": "ok"}, {"status": "failed", "reason": "ValueError: no"}],
    "folders": ["aa", "bb", "cc"],
    "candidates": {"quality": 0, "balanced": 0, "compact": 0},
    "search": {"folder": "search-x", "ended": "after", "chains": []},
}


def test_its_trials_are_put_back_and_the_candidate_is_in_the_experiment(tmp_path: Path) -> None:
    found = push_candidate.restore(recorded_run(tmp_path, REPORT), "compact")
    assert found.name == "digits-cnn" and found.compress.candidate == "compact"
    assert found.compress.chains == load("digits-cnn").compress.chains
    checkpoints = tmp_path / "digits-cnn" / "checkpoints"
    assert (checkpoints / "aa" / "model.tflite").read_text() == "0"
    assert (checkpoints / "bb" / "model.tflite").read_text() == "1"
    assert json.loads((checkpoints / "cc" / "failed.json").read_text()) == {"reason": "ValueError: no"}
    assert json.loads((checkpoints / "search-x" / "found.json").read_text())["ended"] == "after"
    assert json.loads((checkpoints / "restored.json").read_text()) == ["aa", "bb", "cc"]


def test_a_run_without_trials_is_told(tmp_path: Path) -> None:
    with pytest.raises(push_candidate.NoCandidateError, match="no trials of compression are on record"):
        push_candidate.restore(recorded_run(tmp_path, None), "compact")
