"""What the pipeline costs: CPU seconds of `modelmill run digits-cnn` less those of a script that does it by hand.

make bench ARGS='-k overhead'
OVERHEAD_FACTORS=1,4,16 make bench ARGS='-k overhead'    # also with 4 and 16 times the training steps
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelmill.data import sample_data
from modelmill.pipeline.experiment import experiment

FACTORS = [int(factor) for factor in os.environ.get("OVERHEAD_FACTORS", "1").split(",")]
LIMIT = 25.0
CHAINS = [["dynamic_range"], ["int8"], ["prune", "dynamic_range"], ["prune", "pqat"]]


def cpu_seconds(command: list[str], folder: Path) -> tuple[float, str]:
    """User and system time of a process and of all its children, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 3), done.stdout + done.stderr[-3000:]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def settings(factor: int) -> tuple[dict[str, Any], list[str]]:
    """digits-cnn with fixed steps, no early stopping, all epochs times `factor`: for script and pipeline."""
    loaded = experiment.load("digits-cnn")
    chains = [
        [{**step, **({"epochs": step["epochs"] * factor} if "epochs" in step else {})} for step in chain]
        for chain in loaded.compress.chains
    ]
    assert [[step["method"] for step in chain] for chain in chains] == CHAINS, "the script does other chains"
    epochs = loaded.train.epochs * factor
    by_hand = {step["method"]: step for step in chains[-1]}
    by_hand |= {"epochs": epochs, "learning_rate": loaded.train.optimizer.learning_rate}
    changed = {"train.early_stopping": "null", "train.epochs": epochs, "compress.chains": json.dumps(chains)}
    return by_hand, [part for key, value in changed.items() for part in ("--set", f"{key}={value}")]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.timeout(7200)
def test_overhead(factor: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sample_data.materialize("digits", tmp_path / "runs" / "samples")
    script = Path(__file__).with_name("plain_digits.py")
    by_hand, overrides = settings(factor)
    plain, told = cpu_seconds([sys.executable, str(script), str(files), json.dumps(by_hand)], tmp_path)
    command = [sys.executable, "-m", "modelmill", "run", "digits-cnn", *overrides]
    whole, _ = cpu_seconds(command, tmp_path)
    summary = json.loads((tmp_path / "runs" / "digits-cnn" / "latest" / "summary.json").read_text())
    with capsys.disabled():
        print(f"\nby hand {told}")
        nodes = ", ".join(f"{node['id']} {node['seconds']:.1f}" for node in summary["nodes"])
        print(f"pipeline {summary['float']['metrics']}, wall seconds: {nodes}")
        print("| training steps | by hand, CPU-s | modelmill, CPU-s | overhead, CPU-s | ratio |\n|---|---|---|---|---|")
        print(f"| {factor} × | {plain:.1f} | {whole:.1f} | {whole - plain:.1f} | {whole / plain:.2f} |")
    assert whole - plain <= LIMIT
