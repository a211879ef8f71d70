"""How long a run will take, by a few training steps of its model on noise. Loads TensorFlow."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from components.models import family
from data import task
from data.modality import Spec
from pipeline.experiment import Experiment

STEPS, OTHER_NODES = 5, 60.0


def told(experiment: Experiment, examples: int, classes: Sequence[str]) -> str:
    """A sentence on the time of a run that trains on images; of other modalities why there is none.

    Args:
      experiment: validated.
      examples: of all splits.
      classes: the labels.
    """
    data = experiment.data.model_dump()
    if not {"height", "width", "channels"} <= data.keys():
        return f"not known: what a model of {experiment.data.modality} takes is known only after Transform"
    shape = (data["height"], data["width"], data["channels"])
    normal = {"mean": (0.0,) * shape[2], "stddev": (1.0,) * shape[2]}
    asked = experiment.data.task
    spec = Spec(modality="image", shape=shape, dtype="uint8", task=asked, labels=tuple(sorted(classes)), **normal)
    split = experiment.split
    train = examples * split.train / (split.train + split.eval + split.test)
    batch = experiment.train.batch or experiment.train.batch_per_replica or 32
    epoch = _step(experiment, spec, batch) * math.ceil(train / batch)
    _, tuned = experiment.compress.cost()
    epochs = experiment.train.epochs + tuned
    minutes = (OTHER_NODES + epochs * epoch) / 60
    return (
        f"about {minutes:.1f} minutes at most: {epochs} epochs of {epoch:.2f} s, measured without augmentation "
        f"({experiment.train.epochs} of training, {tuned} of compression), and a minute for all else"
    )


def _step(experiment: Experiment, spec: Spec, batch: int) -> float:
    """Seconds of one training step, the median of some, after the first, which compiles."""
    import tf_keras

    asked = task.look_up(spec.task)
    model = family.build(experiment.model, spec)
    model.compile(tf_keras.optimizers.Adam(1e-3), loss=asked.loss)
    inputs = np.random.default_rng(0).normal(size=(batch, *spec.shape)).astype(np.float32)
    target = np.zeros(model(inputs[:1]).shape[1:], np.float32)[np.newaxis].repeat(batch, axis=0)
    target[..., 0] = 1
    took = []
    for _ in range(STEPS + 1):
        start = time.monotonic()
        model.train_on_batch(inputs, target)
        took.append(time.monotonic() - start)
    return median(took[1:])
