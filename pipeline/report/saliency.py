"""What in an image decided: integrated gradients (Sundararajan et al. 2017) of the float model. Loads models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report import attention, examples, pictures
from pipeline.report.recorded import Recorded

STEPS = 32
TOLD = (
    "Below each picture: integrated gradients of the float model, from the average pixel, for the answer of the "
    "compressed one. The brighter, the more that pixel counted, for the answer or against it."
)


def add(run: Recorded, quality: dict[str, Any]) -> None:
    """Puts a picture beside each example of the quality part, in place; nothing where there is no model of images."""
    model = run.path("train", "model")
    split = run.path("ingest", "examples", "Split-test")
    shown = quality.get("mistakes", {}).get("rows", [])
    if model is None or split is None or not shown or run.setting("data", "modality") != "image":
        return
    from components.artifacts import rebuild, serving
    from components.models import store

    raw = examples.raw(split, {row["digest"] for row in shown})
    rows = [row for row in shown if row["digest"] in raw]
    if not rows:
        return
    stored, keras = store.load(Path(rebuild(str(model))))
    inputs = _inputs(serving(str(model)), [raw[row["digest"]]["image"] for row in rows])
    mean, stddev = np.array(stored.spec.mean, np.float32), np.array(stored.spec.stddev, np.float32)
    labels = [stored.spec.labels.index(row["answer"]) for row in rows]
    normalised = (inputs - mean) / stddev
    for row, image, label in zip(rows, normalised, labels, strict=True):
        row["saliency"] = pictures.pixels(_picture(integrated_gradients(keras, image, label)))
    quality["saliency"] = TOLD
    weights = attention.rollout(keras, normalised)
    if weights is not None:
        maps = [attention.grid(one, *stored.spec.shape[:2]) for one in weights]
        for row, found in zip(rows, maps, strict=True):
            row["attention"] = None if found is None else pictures.pixels(found)
        quality["saliency"] += f" {attention.TOLD}"


def integrated_gradients(model: Any, image: Any, label: int) -> Any:
    """Attributions of a logit to each number of a normalised image.

    Args:
      model: float32 [batch, height, width, channels] to logits [batch, classes].
      image: float32 [height, width, channels].
      label: the logit's place.

    Returns:
      float32, of the image's shape; their sum is the logit's difference between the image and the average pixel.
    """
    import tensorflow as tf

    # The middles of the steps: closer to the integral than either of their ends.
    shares = (tf.range(STEPS, dtype=tf.float32) + 0.5) / STEPS
    path = shares[:, tf.newaxis, tf.newaxis, tf.newaxis] * image
    with tf.GradientTape() as tape:
        tape.watch(path)
        logits = model(path, training=False)[:, label]
    return (tf.reduce_mean(tape.gradient(logits, path), axis=0) * image).numpy()


def _inputs(saved_model: str, contents: list[bytes]) -> Any:
    """Encoded files as the model sees them, float32 [examples, height, width, channels]; by its own preprocessing."""
    import tensorflow as tf

    preprocess = tf.saved_model.load(saved_model).signatures["preprocess"]
    return preprocess(image=tf.constant(contents))["inputs"].numpy().astype(np.float32)


def _picture(attributions: Any) -> Any:
    """uint8 [height, width, 1]: of no effect is black, the largest is white."""
    strength = np.abs(attributions).sum(axis=-1, keepdims=True)
    return (255 * strength / max(float(strength.max()), 1e-12)).astype(np.uint8)
