"""The tables of docs/compression.md, on the test split: chains of mnist-cnn, and single methods on digits-cnn.

make bench ARGS='-k test_trials'
make bench ARGS='-k test_methods'
TRIALS_ROOT=runs make bench ARGS='-k test_trials'  # takes what has been run there
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.models import runtime, store
from components.models.input import Examples

SEEDS = (0, 1)
NAME = "mnist-cnn"

# Single methods, with equal epochs wherever something is compared; `weight: 0` is the student on its own.
STUDENT = {"family": "cnn", "filters": [6, 8], "dense": []}
LONG = {"epochs": 30, "learning_rate": 0.003}
METHODS: list[list[Any]] = [
    [{"finetune": LONG}],
    [{"structured": {"amount": 0.5, "multiple": 4, **LONG}}],
    [{"structured": {"amount": 0.75, "multiple": 4, **LONG}}],
    [{"low_rank": {"energy": 0.8, **LONG}}],
    [{"distill": {"student": STUDENT, "weight": 0.0, **LONG}}],
    [{"distill": {"student": STUDENT, "weight": 0.9, **LONG}}],
    ["dynamic_range"],
    ["int4"],
    [{"int8": {"io": "integer"}}],
]


def measured(root: Path, seed: int, name: str = NAME, *more: str) -> list[dict[str, Any]]:
    """Runs the experiment and gives its trials, the float model first, with their accuracy on the test split."""
    sets = [word for one in (f"run.seed={seed}", *more) for word in ("--set", one)]
    command = [sys.executable, "-m", "pipeline", "run", name, "--root", str(root), "--to", "compress", *sets]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout
    links = root / name / "latest" / "links"
    stored, _ = store.load(links / "train" / "model" / "modelmill")
    files = [str(path) for path in (links / "transform" / "transformed_examples" / "Split-test").iterdir()]
    pairs = list(Examples(files, stored.spec, 64).raw().as_numpy_iterator())
    labels = np.array([label for _, label in pairs])
    report = json.loads((links / "compress" / "report" / "trials.json").read_text())
    trials = [report["float"], *report["trials"]]
    for number, trial in enumerate(trials):
        assert trial["status"] == "ok", trial["reason"]
        flatbuffer = runtime.Flatbuffer(links / "compress" / "report" / "trials" / str(number) / "model.tflite")
        answers = flatbuffer.predict_all(image for image, _ in pairs)
        trial["test"] = float(np.mean(answers.argmax(axis=1) == labels))
        trial["epochs"] = sum(step.get("epochs", 0) for step in trial["chain"])
        trial["sparse"] = next((step["sparsity"] for step in trial["chain"] if step["method"] == "prune"), None)
    return trials


@pytest.mark.timeout(7200)
def test_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(os.environ.get("TRIALS_ROOT", tmp_path)).resolve()
    runs = [measured(root, seed) for seed in SEEDS]
    lines = ["| chain | further epochs | accuracy, test split | bytes, gzipped | smaller |", "|---|---|---|---|---|"]
    for of_seeds in zip(*runs, strict=True):
        first = of_seeds[0]
        name = first["label"] + (f" ({first['sparse']:.0%} zeros)" if first["sparse"] else "")
        accuracy = " / ".join(f"{trial['test']:.4f}" for trial in of_seeds)
        size = " / ".join(f"{trial['gzip_bytes']:,}" for trial in of_seeds)
        ratio = np.mean([run[0]["gzip_bytes"] / trial["gzip_bytes"] for run, trial in zip(runs, of_seeds, strict=True)])
        lines.append(f"| {name} | {first['epochs']} | {accuracy} | {size} | {ratio:.1f} × |")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    float32 = np.mean([run[0]["test"] for run in runs])
    assert float32 >= 0.965


def of_seeds(values: list[float]) -> str:
    """Mean and deviation."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


@pytest.mark.timeout(7200)
def test_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second table: single methods on digits-cnn, three seeds."""
    root = Path(os.environ.get("TRIALS_ROOT", tmp_path)).resolve()
    sets = (f"compress.chains={json.dumps(METHODS)}", "evaluate.threshold=0.5")
    runs = [measured(root, seed, "digits-cnn", *sets) for seed in range(3)]
    lines = ["| chain | accuracy, test split | smaller, gzipped | multiplications | latency |", "|---|---|---|---|---|"]
    for row in zip(*runs, strict=True):
        words = ", ".join(f"{step['method']} {_settings(step)}".strip() for step in row[0]["chain"]) or "float32"
        smaller = np.mean([run[0]["gzip_bytes"] / one["gzip_bytes"] for run, one in zip(runs, row, strict=True)])
        fewer = np.mean([one["macs"] / run[0]["macs"] for run, one in zip(runs, row, strict=True)])
        latency = np.mean([one["latency"]["one_thread"]["ratio"] for one in row])
        accuracy = of_seeds([one["test"] for one in row])
        lines.append(f"| {words} | {accuracy} | {smaller:.1f} × | {fewer:.2f} | {latency:.2f} |")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    by_name = {str(row[0]["chain"]): [one["test"] for one in row] for row in zip(*runs, strict=True)}
    scratch, taught = (by_name[key] for key in by_name if "distill" in key)
    assert np.mean(taught) > np.mean(scratch)


def _settings(step: dict[str, Any]) -> str:
    """Those by which rows of one method differ."""
    shown = {key: step[key] for key in ("amount", "energy", "weight", "io") if key in step}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
