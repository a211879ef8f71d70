"""What in an image or a text decided: integrated gradients (Sundararajan et al. 2017) and attention. Loads models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelmill.data import modality
from modelmill.data.spec import Spec
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples import thumbnails
from modelmill.pipeline.report.explain import attention, token_attributions

STEPS = 32
TOLD = (
    "Below each picture: integrated gradients of the float model, from the average pixel, for the answer of the "
    "compressed one. The brighter, the more that pixel counted, for the answer or against it."
)


def add(run: Recorded, quality: dict[str, Any]) -> None:
    """Puts what decided beside each example of the quality part, in place; nothing where that can't be told."""
    model, kind = run.path("train", "model"), str(run.setting("data", "modality"))
    split = run.path("ingest", "examples", "Split-test")
    shown = quality.get("mistakes", {}).get("rows", [])
    adders = {"pixels": _images, "tokens": _texts}
    if model is None or split is None or not (form := modality.look_up(kind).EXPLAINED):
        return
    from modelmill.components.artifacts import rebuild, serving
    from modelmill.components.models.export import model_store

    raw = examples.raw(split, {row["digest"] for row in shown})
    stored, keras = model_store.load(Path(rebuild(str(model))))
    labels = stored.spec.labels
    rows = [row for row in shown if row["digest"] in raw and row["answer"] in labels]
    if rows:
        name = modality.look_up(kind).INPUT
        inputs = _inputs(serving(str(model)), name, [raw[row["digest"]][name] for row in rows])
        quality["saliency"] = adders[form](keras, stored.spec, rows, inputs)


def _images(model: Any, spec: Spec, rows: list[dict[str, Any]], inputs: Any) -> str:
    mean, stddev = np.array(spec.input.mean, np.float32), np.array(spec.input.stddev, np.float32)
    normalised = (inputs.astype(np.float32) - mean) / stddev
    for row, image in zip(rows, normalised, strict=True):
        found = integrated_gradients(model, image, spec.labels.index(row["answer"]))
        row["saliency"] = thumbnails.pixels(_picture(found))
    weights = attention.rollout(model, normalised)
    if weights is None:
        return TOLD
    for row, one in zip(rows, weights, strict=True):
        patches = attention.grid(one, *spec.input.fixed_shape[:2])
        row["attention"] = None if patches is None else thumbnails.pixels(patches)
    return f"{TOLD} {attention.TOLD}"


def _texts(model: Any, spec: Spec, rows: list[dict[str, Any]], ids: Any) -> str:
    for row, one in zip(rows, ids, strict=True):
        found = token_attributions.attributions(model, one, spec.labels.index(row["answer"]))
        if found is None:
            return ""
        row["tokens"] = token_attributions.told(spec, one, found)
    weights = attention.rollout(model, ids, ids != 0)
    if weights is None:
        return token_attributions.TOLD
    for row, one, found in zip(rows, ids, weights, strict=True):
        row["attended"] = token_attributions.told(spec, one, found)
    return f"{token_attributions.TOLD} Then {attention.TOLD[0].lower()}{attention.TOLD[1:]}"


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


def _inputs(saved_model: str, name: str, contents: list[bytes]) -> Any:
    """Raw content as the model sees it, [examples, *shape]; by its own preprocessing."""
    import tensorflow as tf

    preprocess = tf.saved_model.load(saved_model).signatures["preprocess"]
    return preprocess(**{name: tf.constant(contents)})["inputs"].numpy()


def _picture(attributions: Any) -> Any:
    """uint8 [height, width, 1]: of no effect is black, the largest is white."""
    strength = np.abs(attributions).sum(axis=-1, keepdims=True)
    return (255 * strength / max(float(strength.max()), 1e-12)).astype(np.uint8)
