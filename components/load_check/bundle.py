"""The bundle: exactly the files that are to be pushed.

    saved_model.pb, variables/, assets/, ...   the float SavedModel, at the top, so that TensorFlow Serving serves it
    model.tflite                               the chosen flatbuffer
    labels.txt                                 a label a line, in the order of the outputs
    client.py                                  the reference client: it runs the package `client` beside it
    client/                                    the runtime that all share (data/client), with the modality's part as
                                               modality.py, and the task's as task.py where it has one
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
from importlib import metadata, util
from pathlib import Path
from typing import Any

from modelmill.components import artifacts
from modelmill.components.load_check import model_card
from modelmill.components.load_check.config import CardConfig
from modelmill.data import client, modality, specs, task
from modelmill.data.config import DataConfig
from modelmill.data.core import plugins
from modelmill.data.spec import Spec

FORMAT = 1
LABELS = "labels.txt"
CLIENT, CLIENT_PACKAGE = "client.py", "client"
# Of the runtime, the file that is pushed as CLIENT; the others make the package.
RUN = "run.py"
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
    write_client(folder, data.modality, spec.task)
    for name, text in modality.look_up(data.modality).client_files(spec).items():
        (folder / name).write_text(text, encoding="utf-8")
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
    return specs.read(description["spec"])


def _require(path: Path, what: str) -> None:
    if not path.is_file():
        raise IncompleteError(f"{what} is missing: there is no {path.name} in {path.parent}")


def write_client(folder: Path, kind: str, asked: str) -> None:
    """Write the reference client of a modality and a task: CLIENT and the package CLIENT_PACKAGE."""
    package = folder / CLIENT_PACKAGE
    package.mkdir()
    for file in sorted(Path(client.__path__[0]).glob("*.py")):
        shutil.copyfile(file, folder / CLIENT if file.name == RUN else package / file.name)
    for name, module in client_parts(kind, asked).items():
        shutil.copyfile(_source(module), package / f"{name}.py")


def client_parts(kind: str, asked: str) -> dict[str, str]:
    """Return the modules, by their names in CLIENT_PACKAGE, that a client has of its modality and of its task."""
    own = plugins.client_file(task.PACKAGE, asked)
    return {
        "modality": modality.look_up(kind).CLIENT,
        **({"task": f"{task.PACKAGE}.{asked}.{plugins.CLIENT}"} if own else {}),
    }


def client_sources(kind: str, asked: str) -> tuple[str, ...]:
    """Return the modules that `write_client` copies."""
    runtime = sorted(file.stem for file in Path(client.__path__[0]).glob("[!_]*.py"))
    return (client.__name__, *(f"{client.__name__}.{name}" for name in runtime), *client_parts(kind, asked).values())


def _source(module: str) -> Path:
    spec = util.find_spec(module)
    if spec is None or spec.origin is None:
        raise IncompleteError(f"a part of the client is missing: there is no module {module}")
    return Path(spec.origin)


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
            "steps": importlib.import_module(kind.CLIENT).PREPROCESSING,
        },
        "flatbuffer": {
            "file": artifacts.FLATBUFFER,
            "chain": trial["chain"],
            "input": {"dtype": spec.input.dtype, "shape": [1, *spec.input.shape]},
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
