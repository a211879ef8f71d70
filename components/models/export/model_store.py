"""What rebuilds a bare Keras model: its family and Config, what it knows of its examples, and its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.artifacts import MODEL_FILE, WEIGHTS_FILE
from modelmill.components.models import family
from modelmill.components.models.family import FamilyConfig
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True)
class Stored:
    """A model that can be built again. What follows `data` is how it was trained, so how it is fine-tuned.

    Attributes:
      loop: the training loop: its name, or {name: settings}, as training/loop.py writes and reads it.
    """

    family: FamilyConfig
    spec: Spec
    data: dict[str, Any]
    loop: str | dict[str, Any]
    batch: int
    class_weights: list[float] | None = None


def save(folder: Path, stored: Stored, model: tf_keras.Model) -> None:
    """Writes model.json and weights.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "family": stored.family.model_dump(mode="json"),
        "spec": stored.spec.model_dump(mode="json"),
        "data": stored.data,
        "loop": stored.loop,
        "batch": stored.batch,
        "class_weights": stored.class_weights,
    }
    (folder / MODEL_FILE).write_text(json.dumps(content, indent=1, sort_keys=True))
    save_weights(folder / WEIGHTS_FILE, model)


def load(folder: Path) -> tuple[Stored, tf_keras.Model]:
    """Rebuilds what `save` wrote, in float32."""
    content = json.loads((folder / MODEL_FILE).read_text())
    config = family.look_up(content["family"]["family"]).Config.model_validate(content["family"])
    spec = Spec.model_validate(content["spec"])
    stored = Stored(config, spec, content["data"], content["loop"], content["batch"], content.get("class_weights"))
    model = family.build(config, spec)
    load_weights(folder / WEIGHTS_FILE, model)
    return stored, model


def save_weights(path: Path, model: tf_keras.Model) -> None:
    """Writes the weights in the model's own order, as plain arrays."""
    np.savez(path, **{f"{index:05}": value for index, value in enumerate(model.get_weights())})


def load_weights(path: Path, model: tf_keras.Model) -> None:
    """Reads what `save_weights` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in sorted(arrays.files)])
