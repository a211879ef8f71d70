"""What tests of several modalities share: a model as it is pushed, and what `modelmill predict` says with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from modelmill.components import artifacts
from modelmill.components.load_check import bundle
from modelmill.components.load_check.config import CardConfig
from modelmill.components.models.export import model_store, saved_model
from modelmill.data import modality, task

# Of answers around 1, of a flatbuffer that is not quantized.
TOLERANCE = 1e-4


def push(model: str, config: Any, folder: Path) -> Path:
    """The bundle of a trained Model artifact and of its flatbuffer, float32, in `folder`."""
    stored, rebuilt = model_store.load(Path(artifacts.rebuild(model)))
    for name in ("compressed", "evaluation", "bundle"):
        (folder / name).mkdir()
    (folder / "compressed" / artifacts.FLATBUFFER).write_bytes(saved_model.converter(rebuilt, stored.spec).convert())
    (folder / "compressed" / artifacts.TRIAL_FILE).write_text(json.dumps({"chain": []}))
    (folder / "evaluation" / bundle.FIGURES).write_text("{}")
    places = (model, str(folder / "compressed"), str(folder / "evaluation"))
    bundle.assemble(folder / "bundle", *places, config, "tiny", CardConfig())
    return folder / "bundle"


def predict(pushed: Path, *files: Path) -> list[dict[str, Any]]:
    """What `modelmill predict` prints, in a process of its own: it runs the pushed client in another one."""
    command = [sys.executable, "-m", "modelmill", "predict", str(pushed), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def served(pushed: Path, config: Any, contents: list[bytes]) -> list[dict[str, Any]]:
    """What the pushed SavedModel answers to raw content: the answer by its name, and the label if there is one."""
    model = tf.saved_model.load(str(pushed)).signatures["serving_default"]
    found = model(**{modality.look_up(config.modality).INPUT: tf.constant(contents)})
    return [{name: values.numpy()[place] for name, values in found.items()} for place in range(len(contents))]


def assert_same(told: list[dict[str, Any]], answers: list[dict[str, Any]], pushed: Path, config: Any) -> None:
    """Each number of the client is the SavedModel's, relative to what is above 1, and each label."""
    labels = (pushed / bundle.LABELS).read_text(encoding="utf-8").splitlines()
    name = task.look_up(config.task).ANSWER
    assert len(told) == len(answers) > 0
    for one, other in zip(told, answers, strict=True):
        values = [one[name][label] for label in labels]
        np.testing.assert_allclose(values, other[name], rtol=TOLERANCE, atol=TOLERANCE)
        assert one.get("label", "") == other.get("label", b"").decode()
