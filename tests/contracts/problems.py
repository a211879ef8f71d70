"""A tiny learnable set for each modality, and what makes a family small: what the contract tests share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modelmill.components.testing.specs import make_spec
from modelmill.data.spec import Column, Spec

# What a family needs to be small, and the input it is made for.
CLASSES = ("a", "b", "c")
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (4, 8), "dense": (16,)},
    "conv1d": {"filters": (16, 16)},
    "resnet": {"blocks": (1, 1), "filters": (4, 8)},
    "transfer": {"network": "VGG16", "weights": "none", "cut": "block1_pool", "pixels": "unit"},
    "vit": {"patch": 2, "width": 8, "depth": 2, "heads": 2},
    "bert": {"width": 8, "depth": 1, "heads": 2, "hidden": 16, "block_dropout": 0, "attention_dropout": 0},
    "mlp": {"widths": (16,)},
    "rnn": {"units": (8,), "bidirectional": True, "pool": "mean"},
    "transformer_encoder": {"width": 8, "depth": 1, "heads": 2, "hidden": 16},
}


class Problem(NamedTuple):
    """A tiny learnable set of three classes: normalised inputs for the bare model, and what a device has."""

    spec: Spec
    inputs: np.ndarray
    labels: np.ndarray
    raw: np.ndarray


def image() -> Problem:
    """Images that differ by class in where they are bright."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.normal(0, 0.3, (48, 8, 8, 1)).astype(np.float32)
    for number, label in enumerate(labels):
        inputs[number, :, 2 * label : 2 * label + 3] += 1.5
    raw = random.integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    spec = make_spec("image", (8, 8, 1), "uint8", CLASSES, mean=(100.0,), stddev=(50.0,))
    return Problem(spec, inputs, labels, raw)


def audio() -> Problem:
    """Tones that differ by class in their pitch, with noise."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    time = np.arange(2000) / 4000
    pitch = np.array([300.0, 600.0, 1200.0])[labels][:, np.newaxis] * random.uniform(0.9, 1.1, (48, 1))
    inputs = 0.3 * np.sin(2 * np.pi * pitch * time) + random.normal(0, 0.03, (48, 2000))
    raw = random.integers(-9000, 9000, (4, 2000), dtype=np.int16)
    spec = make_spec("audio", (2000,), "int16", CLASSES, {"sample_rate": 4000}, mean=(0.0,), stddev=(32768.0,))
    return Problem(spec, inputs.astype(np.float32), labels, raw)


def text() -> Problem:
    """Token ids between [CLS] and [SEP], padded; the class is told by which of three ids is among the others."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.integers(8, 20, (48, 12)).astype(np.int32)
    inputs[:, 0], inputs[np.arange(48), 1 + np.arange(48) % 5] = 2, 5 + labels
    for row, length in zip(inputs, random.integers(7, 13, 48), strict=True):
        row[length - 1 :] = [3] + [0] * (12 - length)
    spec = make_spec("text", (12,), "int32", CLASSES, {"vocabulary": 20}, role="tokens")
    return Problem(spec, inputs, labels, inputs[:4])


def tabular() -> Problem:
    """Rows of two numbers and a category, of which one number and the category tell the class."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = random.normal(0, 0.3, (48, 3)).astype(np.float32)
    inputs[:, 0] += labels == 1
    inputs[:, 1] = np.where(labels == 2, 1, random.integers(0, 2, 48) * 2)
    columns = [Column(column="a", kind="number"), Column(column="b", kind="category", categories=("x", "y"))]
    columns.append(Column(column="c", kind="number"))
    spec = make_spec("tabular", (3,), "float32", CLASSES, {"columns": columns})
    return Problem(spec, inputs, labels, inputs[:4])


def series() -> Problem:
    """Series of 4 to 7 steps that rise, fall or stay, padded; the last channel says which steps there are."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    inputs = np.zeros((48, 7, 2), np.float32)
    for row, label, length in zip(inputs, labels, 4 + np.arange(48) % 4, strict=True):
        row[:length, 0] = (label - 1) * np.linspace(-1, 1, length) + random.normal(0, 0.1, length)
        row[:length, 1] = 1
    spec = make_spec("series", (7, 2), "float32", CLASSES, {"masked": True}, role="time")
    return Problem(spec, inputs, labels, inputs[:4])


# By modality.
PROBLEMS = {"image": image, "audio": audio, "text": text, "tabular": tabular, "series": series}
