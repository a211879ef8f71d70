"""Sheets of pictures: examples as they are, and as augmentation may change them."""

from __future__ import annotations

from typing import Any

from pipeline.report import examples, pictures
from pipeline.report.recorded import Recorded

CLASSES, PER_CLASS = 12, 6
AUGMENTED, DRAWS = 6, 5


def plain(run: Recorded) -> list[dict[str, Any]]:
    """Real examples, by class."""
    split = run.path("ingest", "examples", "Split-train")
    kind = str(run.setting("data", "modality"))
    if split is None or kind != "image":
        return []
    rows = []
    for label, found in examples.sheet(split, PER_CLASS, CLASSES).items():
        shown = [(pictures.picture(kind, one), one["path"]) for one in found]
        rows.append({"label": label, "pictures": [{"src": src, "path": path} for src, path in shown if src]})
    return rows


def augmented(run: Recorded) -> list[dict[str, Any]]:
    """Examples of the train split as they are, and as the policy may change them."""
    split = run.path("transform", "transformed_examples", "Split-train")
    model = run.json("train", "model", "modelmill/model.json")
    if split is None or model is None or run.setting("data", "modality") != "image":
        return []
    import tensorflow as tf

    from data import modality
    from data.modality import Spec

    kind = modality.look_up("image")
    spec = Spec.model_validate(model["spec"])
    policy = kind.Policy.model_validate(run.setting("augment") or {})
    stored = examples.one_of_each(split, AUGMENTED)
    inputs, labels = modality.parse(tf.constant(stored), spec)
    seeds = tf.constant([[one, draw] for one in range(len(stored)) for draw in range(DRAWS)], tf.int64)
    changed = kind.augment(tf.repeat(inputs, DRAWS, axis=0), seeds, policy).numpy()
    return [
        {
            "label": spec.labels[int(labels[one])],
            "before": pictures.pixels(inputs[one].numpy()),
            "after": [pictures.pixels(changed[one * DRAWS + draw]) for draw in range(DRAWS)],
        }
        for one in range(len(stored))
    ]
