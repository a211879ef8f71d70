"""The tables of docs/compression.md, on the test split, of five seeds (TRIALS_SEEDS), each with its command.

make bench ARGS='-k test_trials'   # chains of mnist-cnn
make bench ARGS='-k test_resnet'   # chains of mnist-resnet
make bench ARGS='-k test_student'  # a student of mnist-resnet, taught and on its own
make bench ARGS='-k test_methods'  # single methods on digits-cnn
TRIALS_ROOT=runs make bench ARGS='-k test_trials'  # takes what has been run there
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.models.training.dataset import Examples

SEEDS = range(int(os.environ.get("TRIALS_SEEDS", "5")))
Trial = dict[str, Any]

# Single methods, with equal epochs wherever something is compared.
LONG = {"epochs": 30, "learning_rate": 0.003}
METHODS: list[list[Any]] = [
    [{"finetune": LONG}],
    [{"structured": {"amount": 0.5, "multiple": 4, **LONG}}],
    [{"structured": {"amount": 0.75, "multiple": 4, **LONG}}],
    [{"low_rank": {"energy": 0.8, **LONG}}],
    ["dynamic_range"],
    ["int4"],
    [{"int8": {"io": "integer"}}],
]
# Few labels, a network that is made for images, and a student that is not; `weight: 0` is the student on its own.
FEW = ("split={train: 2, eval: 9, test: 9}", "train.epochs=60")
STUDENT = {"student": {"family": "mlp", "widths": [64]}, "epochs": 120}
STUDENTS: list[list[Any]] = [
    [{"distill": {**STUDENT, "weight": 0.0}}],
    [{"distill": {**STUDENT, "weight": 0.9}}],
]
RESNET: list[list[Any]] = [
    [{"finetune": {"epochs": 12, "learning_rate": 0.002}}],
    [{"structured": {"amount": 0.5, "multiple": 4, "epochs": 12, "learning_rate": 0.002, "teacher": 0.7}}],
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the runs are made."""
    return Path(os.environ.get("TRIALS_ROOT", tmp_path)).resolve()


def ran(root: Path, name: str, to: str, *sets: str) -> Path:
    """Runs an experiment as far as a node; the folder of what its nodes have made."""
    words = [word for one in sets for word in ("--set", one)]
    command = [sys.executable, "-m", "modelmill", "run", name, "--root", str(root), "--to", to, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout
    return root / name / "latest" / "links"


def measured(
    root: Path, seed: int, name: str, chains: list[list[Any]] | None = None, sets: tuple[str, ...] = ()
) -> list[Trial]:
    """Runs the experiment and gives its trials, the float model first, with their accuracy on the test split."""
    if chains:
        sets = (*sets, f"compress.chains={json.dumps(chains)}", "evaluate.threshold=0.5")
    links = ran(root / f"seed-{seed}", name, "compress", f"run.seed={seed}", *sets)
    report = reported(links)
    trials: list[Trial] = [report["float"], *report["trials"]]
    for trial in trials:
        assert trial["status"] == "ok", trial["reason"]
    for trial, accuracy in zip(trials, tested(links, range(len(trials))), strict=True):
        trial["test"] = accuracy
    return trials


def reported(links: Path) -> dict[str, Any]:
    """What the Compressor has written down."""
    found: dict[str, Any] = json.loads((links / "compress" / "report" / "trials.json").read_text())
    return found


def tested(links: Path, numbers: Iterable[int]) -> list[float]:
    """Accuracy on the test split of some of the trials' flatbuffers; 0 is the float model's."""
    stored, _ = model_store.load(links / "train" / "model" / "modelmill")
    files = [str(path) for path in (links / "transform" / "transformed_examples" / "Split-test").iterdir()]
    pairs = list(Examples(files, stored.spec, 64).raw().as_numpy_iterator())
    labels = np.array([label for _, label in pairs])
    found = []
    for number in numbers:
        flatbuffer = interpreter.Flatbuffer(links / "compress" / "report" / "trials" / str(number) / "model.tflite")
        answers = flatbuffer.predict_all(image for image, _ in pairs)
        found.append(float(np.mean(answers.argmax(axis=1) == labels)))
    return found


def table(runs: list[list[Trial]]) -> tuple[list[str], list[dict[str, float]]]:
    """Lines of Markdown, and of each row the means.

    What is lost is told against `finetune`, of the same seed each; where there is none, against the float model.
    """
    control = next((number for number, trial in enumerate(runs[0]) if trial["label"] == "finetune"), 0)
    lines = [
        "| chain (further epochs) | accuracy | points lost | bytes, gzipped | smaller | latency |",
        "|---" * 6 + "|",
    ]
    rows = []
    for number, first in enumerate(runs[0]):
        row = [run[number] for run in runs]
        lost = [100 * (run[control]["test"] - one["test"]) for run, one in zip(runs, row, strict=True)]
        smaller = [run[0]["gzip_bytes"] / one["gzip_bytes"] for run, one in zip(runs, row, strict=True)]
        latency = [one["latency"]["one_thread"]["ratio"] for one in row]
        means = {"accuracy": [one["test"] for one in row], "lost": lost, "smaller": smaller, "latency": latency}
        rows.append({name: float(np.mean(values)) for name, values in means.items()} | {"macs": first["macs"]})
        epochs = sum(step.get("epochs", 0) for step in first["chain"])
        bytes_ = float(np.mean([one["gzip_bytes"] for one in row]))
        words = " + ".join(f"{step['method']} {_settings(step)}".strip() for step in first["chain"]) or "float32"
        lines.append(
            f"| {words} ({epochs}) | {spread(means['accuracy'], 4)} | {spread(lost, 2)} | {bytes_:,.0f} "
            f"| {np.mean(smaller):.1f} × | {np.mean(latency):.2f} |"
        )
    return lines, rows


def spread(values: list[float], digits: int) -> str:
    """Mean and deviation; no minus before a zero."""
    return f"{round(float(np.mean(values)), digits) + 0.0:.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def _settings(step: Trial) -> str:
    """Those by which rows of one method differ."""
    if step["method"] == "prune":
        return ", ".join(
            f"{layer} {share:.0%}" for layer, share in (step["layers"] or {"to": step["sparsity"]}).items()
        )
    if step["method"] == "distill":
        student = step["student"] or step
        size = next(student[key] for key in ("filters", "widths", "width") if key in student)
        return f"to {size}, weight {step['weight']}"
    return ", ".join(f"{key} {step[key]}" for key in ("amount", "energy", "clusters", "io") if key in step)


def told(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\n" + "\n".join(lines))


@pytest.mark.timeout(7200)
def test_trials(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes: 14 times smaller within half a point of as many steps, 25 times with a student."""
    lines, rows = table([measured(root, seed, "mnist-cnn") for seed in SEEDS])
    told(lines, capsys)
    assert rows[0]["accuracy"] >= 0.965
    for smaller in (14, 25):
        assert any(row["smaller"] >= smaller and row["lost"] <= 0.5 for row in rows)


@pytest.mark.timeout(7200)
def test_resnet(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Time: without half of its channels a residual network takes 0.6 of it at most, within a point."""
    lines, rows = table([measured(root, seed, "mnist-resnet", RESNET) for seed in SEEDS])
    told(lines, capsys)
    assert rows[-1]["latency"] <= 0.6 and rows[-1]["lost"] <= 1


@pytest.mark.timeout(7200)
def test_student(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The student that was taught beats the same student on its own."""
    runs = [measured(root / "few", seed, "mnist-resnet", STUDENTS, FEW) for seed in SEEDS]
    lines, rows = table(runs)
    gains = [100 * (run[-1]["test"] - run[-2]["test"]) for run in runs]
    told([*lines, f"taught less alone, points: {spread(gains, 2)}, lowest {min(gains):.2f}"], capsys)
    assert rows[-1]["accuracy"] > rows[-2]["accuracy"]


@pytest.mark.timeout(7200)
def test_methods(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Single methods on a small network; without half of its channels it takes 0.6 of the time at most."""
    lines, rows = table([measured(root, seed, "digits-cnn", METHODS) for seed in SEEDS])
    told(lines, capsys)
    half = rows[2]
    assert half["latency"] <= 0.6 and half["lost"] <= 1
