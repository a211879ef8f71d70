"""What rebuilds a bare Keras model: its family and Config, what it knows of its examples, and its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.artifacts import MODEL_FILE, WEIGHTS_FILE
from modelmill.components.models import family, networks
from modelmill.components.models.family import FamilyConfig
from modelmill.components.models.networks import Built, Networks
from modelmill.data import specs
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


def save(folder: Path, stored: Stored, built: Built) -> None:
    """Write model.json and weights.npz, of one network or several by their names."""
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
    save_weights(folder / WEIGHTS_FILE, built)


def load_networks(folder: Path) -> tuple[Stored, Networks]:
    """Rebuild what `save` wrote, in float32."""
    content = json.loads((folder / MODEL_FILE).read_text())
    config = family.look_up(content["family"]["family"]).Config.model_validate(content["family"])
    spec = specs.read(content["spec"])
    stored = Stored(config, spec, content["data"], content["loop"], content["batch"], content.get("class_weights"))
    built = family.build_networks(config, spec)
    load_weights(folder / WEIGHTS_FILE, built)
    return stored, built


def load(folder: Path) -> tuple[Stored, tf_keras.Model]:
    """Rebuild a model of one network; see `load_networks`."""
    stored, built = load_networks(folder)
    return stored, networks.only(built)


def save_weights(path: Path, built: Built) -> None:
    """Write the weights in each network's own order, as plain arrays: NUMBER of `main`, NETWORK/NUMBER of others."""
    arrays = {
        f"{_prefix(name)}{index:05}": value
        for name, network in networks.named(built).items()
        for index, value in enumerate(network.get_weights())
    }
    np.savez(path, **arrays)


def load_weights(path: Path, built: Built) -> None:
    """Read what `save_weights` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        for name, network in networks.named(built).items():
            prefix = _prefix(name)
            own = sorted(one for one in arrays.files if one.rpartition("/")[0] == prefix.rstrip("/"))
            network.set_weights([arrays[one] for one in own])


def _prefix(network: str) -> str:
    return "" if network == networks.MAIN else f"{network}/"
