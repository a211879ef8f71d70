"""How long a run will take, by a few training steps of its model on noise. Loads TensorFlow."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from modelmill.components.models import family
from modelmill.data import specs, task
from modelmill.data.core import format
from modelmill.data.spec import Spec
from modelmill.pipeline.experiment.experiment import Experiment

STEPS, OTHER_NODES = 5, 60.0


@dataclass(frozen=True)
class Estimate:
    """Sentences on what a run takes, or on why that is not known.

    Attributes:
      run: of the whole.
      compression: of compression alone; "" if it is not known.
    """

    run: str
    compression: str = ""


def told(experiment: Experiment, examples: int, classes: Sequence[str]) -> Estimate:
    """By a measured step of training.

    Args:
      experiment: validated.
      examples: of all splits.
      classes: the labels.
    """
    data = experiment.data
    spec = specs.expected(data, sorted(classes))
    if spec is None:
        return Estimate(f"not known: the modality {data.modality} has no method `expected`")
    split = experiment.split
    train = examples * split.train / (split.train + split.eval + split.test)
    batch = experiment.train.batch or experiment.train.batch_per_replica or 32
    epoch = _step(experiment, spec, batch) * math.ceil(train / batch)
    compression = experiment.compress.seconds(epoch)
    whole = OTHER_NODES + experiment.train.epochs * epoch + compression
    return Estimate(
        f"roughly {format.minutes(whole)}: {experiment.train.epochs} epochs of training of {epoch:.2f} s each, "
        f"measured without augmentation, {format.minutes(compression)} of compression, and a minute for all else",
        f"roughly {format.minutes(compression)}",
    )


def _step(experiment: Experiment, spec: Spec, batch: int) -> float:
    """Seconds of one training step, the median of some, after the first, which compiles."""
    import tf_keras

    asked = task.look_up(spec.task)
    model = family.build(family.settle(experiment.model), spec)
    model.compile(tf_keras.optimizers.Adam(1e-3), loss=asked.loss)
    inputs = _inputs(batch, spec)
    target = np.zeros(model(inputs[:1]).shape[1:], np.float32)[np.newaxis].repeat(batch, axis=0)
    target[..., 0] = 1
    took = []
    for _ in range(STEPS + 1):
        start = time.monotonic()
        model.train_on_batch(inputs, target)
        took.append(time.monotonic() - start)
    return median(took[1:])


def _inputs(batch: int, spec: Spec) -> np.ndarray:
    """What the bare model takes: noise, or ids."""
    shape = (batch, *spec.input.fixed_shape)
    if spec.input.role == "tokens":  # which ones makes no difference to the time that a step takes
        return np.ones(shape, np.int32)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
