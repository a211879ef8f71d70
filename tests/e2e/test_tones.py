"""The whole chain on sounds, to the push: speakers kept apart, the spectrum in the flatbuffer, a client that hears."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
import yaml

import modelmill

pytestmark = pytest.mark.slow
RATE = 4000
PITCHES = {"low": 300.0, "middle": 700.0, "high": 1500.0}
EXPERIMENT = {
    "data": {"modality": "audio", "sample_rate": RATE, "seconds": 0.4},
    "split": {"by": "group", "pattern": r"/(\w+)_", "train": 3, "eval": 1, "test": 1},
    "augment": {"gain": 3, "shift": 0.05},
    "model": {"family": "conv1d", "filters": [16, 16], "kernel": 3, "separable": True, "frontend": {"bands": 20}},
    "train": {"epochs": 8, "batch": 16, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    "evaluate": {"threshold": 0.7},
    "compress": {"max_drop": 0.1, "margin": 0.2, "chains": [[{"prune": {"sparsity": 0.5, "epochs": 2}}, "int8"]]},
}


def tone(pitch: float, number: int) -> np.ndarray:
    """A tone anywhere in noise, 0.4 seconds."""
    random, time = np.random.default_rng([int(pitch), number]), np.arange(int(0.4 * RATE)) / RATE
    loud = np.abs(time - random.uniform(0.1, 0.3)) < 0.1
    return np.asarray(0.3 * loud * np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * time)) + random.normal(
        0, 0.02, len(time)
    )


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on 180 tones of ten instruments, which has pushed."""
    folder = tmp_path_factory.mktemp("tones")
    for label, pitch in PITCHES.items():
        (folder / label).mkdir()
        for number in range(60):
            path = folder / label / f"instrument{number % 10}_{number}.flac"
            soundfile.write(path, tone(pitch, number), RATE, subtype="PCM_16")
    path = tmp_path_factory.mktemp("experiments") / "tones.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, "data": {**EXPERIMENT["data"], "path": str(folder)}}))
    run = modelmill.run(path, tmp_path_factory.mktemp("runs"), quiet=True)
    assert run.status == "pushed", run
    return run.folder


def test_no_instrument_is_in_two_splits(pushed: Path) -> None:
    heard: dict[str, set[str]] = {}
    for split in ("train", "eval", "test"):
        files = [str(path) for path in (pushed / "links" / "ingest" / "examples" / f"Split-{split}").iterdir()]
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            path = tf.train.Example.FromString(record).features.feature["path"].bytes_list.value[0].decode()
            heard.setdefault(path.split("/")[-1].split("_")[0], set()).add(split)
    assert len(heard) == 10 and all(len(splits) == 1 for splits in heard.values())


def test_the_flatbuffer_is_smaller_and_its_client_hears_what_it_should(pushed: Path, tmp_path: Path) -> None:
    trials = json.loads((pushed / "links" / "compress" / "report" / "trials.json").read_text())
    assert trials["trials"][trials["chosen"]]["gzip_bytes"] < 0.7 * trials["float"]["gzip_bytes"]
    newest = pushed.parent / "pushed" / "1"
    for label, pitch in PITCHES.items():
        soundfile.write(tmp_path / "tone.wav", tone(pitch, 99), RATE)
        command = [sys.executable, str(newest / "client.py"), str(tmp_path / "tone.wav")]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert answer["label"] == label, answer
