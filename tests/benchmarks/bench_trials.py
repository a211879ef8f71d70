"""The table of docs/compression.md: every chain of mnist-cnn, with two seeds, on the test split.

make bench ARGS='-k trials'
TRIALS_ROOT=runs make bench ARGS='-k trials'    # takes what has been run there
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


def measured(root: Path, seed: int) -> list[dict[str, Any]]:
    """Runs the experiment and gives its trials, the float model first, with their accuracy on the test split."""
    command = [sys.executable, "-m", "pipeline", "run", NAME, "--root", str(root), "--set", f"run.seed={seed}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout
    links = root / NAME / "latest" / "links"
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
