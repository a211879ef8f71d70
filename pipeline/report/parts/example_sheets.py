"""Sheets of examples: as they are, and as augmentation may change them."""

from __future__ import annotations

from typing import Any

from modelmill.data import batch, modality, specs
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples import render

CLASSES, PER_CLASS = 12, 6
# Players, words, rows and curves take more room than pictures.
LARGE_CLASSES, LARGE_PER_CLASS = 8, 2
AUGMENTED, DRAWS, LARGE_DRAWS = 6, 5, 2


def plain(run: Recorded) -> list[dict[str, Any]]:
    """Real examples, by class."""
    split = run.path("ingest", "examples", "Split-train")
    kind, data = str(run.setting("data", "modality")), run.setting("data") or {}
    if split is None:
        return []
    rows = []
    per_class, classes = (PER_CLASS, CLASSES) if modality.look_up(kind).COMPACT else (LARGE_PER_CLASS, LARGE_CLASSES)
    for label, found in examples.sheet(split, per_class, classes).items():
        every = [(render.example(kind, one, data), one["path"]) for one in found]
        rows.append({"label": label, "examples": [{**one, "path": path} for one, path in every if one]})
    return [row for row in rows if row["examples"]]


def augmented(run: Recorded) -> list[dict[str, Any]]:
    """Examples of the train split as they are, and as the policy may change them."""
    split = run.path("transform", "transformed_examples", "Split-train")
    model = run.json("train", "model", "modelmill/model.json")
    if split is None or model is None or "inputs" not in model["spec"]:  # not there, or of another version
        return []
    import tensorflow as tf

    from modelmill.data import task

    data = run.setting("data") or {}
    name = str(data["modality"])
    kind = modality.look_up(name)
    spec = specs.read(model["spec"])
    policy = kind.Policy.model_validate(run.setting("augment") or {}).fitted(spec)
    if not kind.COMPACT and not policy.changes():
        return []
    stored = examples.one_of_each(split, AUGMENTED)
    inputs, labels = modality.parse(tf.constant(stored), spec)
    seeds = tf.constant([[one, draw] for one in range(len(stored)) for draw in range(DRAWS)], tf.int64)
    tf.config.run_functions_eagerly(True)  # compiling takes longer than the few examples do
    try:
        repeated = batch.of(tf.repeat(inputs, DRAWS, axis=0), tf.repeat(labels, DRAWS, axis=0), spec)
        changed = kind.augment(repeated, seeds, policy, spec)[spec.input.name]
    finally:
        tf.config.run_functions_eagerly(False)
    draws = DRAWS if kind.COMPACT else LARGE_DRAWS
    return [
        {
            "label": task.look_up(spec.task).label_text(labels[one].numpy(), spec),
            "before": render.model_input(name, inputs[one], data),
            "after": [render.model_input(name, changed[one * DRAWS + draw], data) for draw in range(draws)],
        }
        for one in range(len(stored))
    ]
