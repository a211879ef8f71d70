"""The bundle: exactly the files that are to be pushed.

    saved_model.pb, variables/, assets/, ...   the float SavedModel, at the top, so that TensorFlow Serving serves it
    model.tflite                               the chosen flatbuffer
    labels.txt                                 a label a line, in the order of the outputs
    client.py                                  the reference client, in one file
    tokenizer.json                             of texts: what the client tokenizes with
    model_card.md                              what it is for, on which data it is how good, and its limits
    manifest.json                              what all of this is, and what stands before the flatbuffer

The same model gives the same bytes: nothing in it tells the time or the place.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from modelmill.components import artifacts
from modelmill.components.load_check import model_card
from modelmill.components.load_check.config import CardConfig
from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.spec import Spec

FORMAT = 1
LABELS = "labels.txt"
CLIENT = "client.py"
SAVED_MODEL = "saved_model.pb"
LABEL_OUTPUT = {"dtype": "string", "shape": [None], "meaning": "the most probable label"}
# Of the node evaluate-compressed.
FIGURES = "metrics.json"


class IncompleteError(Exception):
    """What is to be pushed lacks a file; the message says which, and whose it is."""


def assemble(
    folder: Path,
    model: str,
    compressed: str,
    evaluation: str,
    data: DataConfig,
    experiment: str,
    said: CardConfig,
) -> None:
    """Writes the bundle into `folder`.

    Args:
      folder: exists and is empty.
      model: uri of the Model artifact.
      compressed: uri of the CompressedModel artifact.
      evaluation: uri of the ModelEvaluation of `evaluate-compressed`, whose figures the model card tells.
      data: of the experiment; its modality names the client.
      experiment: its name.
      said: the experiment's section `card`.

    Raises:
      IncompleteError: a part is missing.
    """
    saved_model = Path(artifacts.serving(model))
    _require(saved_model / SAVED_MODEL, "the Trainer's SavedModel")
    _require(Path(compressed, artifacts.FLATBUFFER), "the Compressor's flatbuffer")
    _require(Path(compressed, artifacts.TRIAL_FILE), "the Compressor's report of it")
    _require(Path(artifacts.rebuild(model), artifacts.MODEL_FILE), "the Trainer's description of the model")
    _require(Path(evaluation, FIGURES), "the evaluation of the flatbuffer")
    spec = read_spec(model)
    if any(len(label.splitlines()) != 1 for label in spec.labels):
        raise IncompleteError(f"a label must be one line of {LABELS}; found {spec.labels}")
    shutil.copytree(saved_model, folder, dirs_exist_ok=True)
    shutil.copyfile(Path(compressed, artifacts.FLATBUFFER), folder / artifacts.FLATBUFFER)
    (folder / LABELS).write_text("".join(f"{label}\n" for label in spec.labels), encoding="utf-8")
    shutil.copyfile(str(_client(data).__file__), folder / CLIENT)
    if spec.tokenizer:
        (folder / train.FILE).write_text(spec.tokenizer, encoding="utf-8")
    trial = json.loads(Path(compressed, artifacts.TRIAL_FILE).read_text())
    description = model_card.read(Path(artifacts.rebuild(model), artifacts.MODEL_FILE))
    sections = model_card.make(experiment, said, description, trial, model_card.read(Path(evaluation, FIGURES)))
    (folder / model_card.FILE).write_text(model_card.markdown(experiment, sections), encoding="utf-8")
    manifest = _manifest(spec, data, experiment, trial)
    manifest["files"] = {
        str(path.relative_to(folder)): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / artifacts.MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_spec(model: str) -> Spec:
    """What the model needs to know of its examples, as the Trainer wrote it."""
    description = json.loads(Path(artifacts.rebuild(model), artifacts.MODEL_FILE).read_text())
    return Spec.model_validate(description["spec"])


def _require(path: Path, what: str) -> None:
    if not path.is_file():
        raise IncompleteError(f"{what} is missing: there is no {path.name} in {path.parent}")


def _client(data: DataConfig) -> ModuleType:
    """The reference client of the modality: its source is shipped, its PREPROCESSING says what it does."""
    return importlib.import_module(modality.look_up(data.modality).CLIENT)


def _manifest(spec: Spec, data: DataConfig, experiment: str, trial: dict[str, Any]) -> dict[str, Any]:
    kind, asked = modality.look_up(data.modality), task.look_up(spec.task)
    answer = {"dtype": "float32", "meaning": asked.MEANING}
    return {
        "format": FORMAT,
        "experiment": experiment,
        "task": spec.task,
        "classes": asked.CLASSES,
        "labels": LABELS,
        "client": CLIENT,
        "model_card": model_card.FILE,
        "preprocessing": {
            "modality": data.modality,
            **kind.client_config(data, spec),
            "steps": _client(data).PREPROCESSING,
        },
        "flatbuffer": {
            "file": artifacts.FLATBUFFER,
            "chain": trial["chain"],
            "input": {"dtype": spec.dtype, "shape": [1, *spec.shape]},
            "output": {**answer, **trial.get("output", {}), "name": asked.ANSWER, "shape": [1, len(spec.labels)]},
        },
        "saved_model": {
            "signature": "serving_default",
            "input": {"name": kind.INPUT, "dtype": "string", "shape": [None], "meaning": "the bytes of raw files"},
            "outputs": {
                asked.ANSWER: {**answer, "shape": [None, len(spec.labels)]},
                **({"label": LABEL_OUTPUT} if asked.CLASSES else {}),
            },
        },
        "versions": {name: metadata.version(name) for name in ("modelmill", "tensorflow")},
    }
