"""The optimizer of an experiment, and its learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras

from modelmill.components.models.networks import MAIN, Networks
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.loop import Update
from modelmill.components.upstream import keras_internals


class Rate(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over the first steps, then a constant, a cosine to zero, or steps down.

    It depends on the step's number alone, so a training that goes on after a kill meets the same rates.
    """

    def __init__(self, learning: LearningConfig, steps: float, first: float = 0) -> None:
        """Args: steps: in an epoch; first: the number in the training of what the optimizer counts as step 0."""
        schedule = learning.schedule
        self._peak, self._name = learning.optimizer.learning_rate, schedule.name
        self._total, self._warmup = float(learning.epochs * steps), float(schedule.warmup * steps)
        self._milestones, self._factor = [epoch * steps for epoch in schedule.milestones], schedule.factor
        self._first = float(first)

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of step number `step`, from 0; a float32 scalar."""
        step = tf.cast(step, tf.float32) + self._first
        share: Any = 1.0
        if self._name == "cosine":
            done = tf.clip_by_value((step - self._warmup) / (self._total - self._warmup), 0.0, 1.0)
            share = (1 + tf.cos(math.pi * done)) / 2
        elif self._name == "step":
            passed = tf.reduce_sum(tf.cast(step >= tf.constant(self._milestones, tf.float32), tf.float32))
            share = self._factor**passed
        if self._warmup:
            share = tf.where(step < self._warmup, (step + 1) / (self._warmup + 1), share)
        return self._peak * tf.cast(share, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Needed by none: what is stored is the experiment."""
        raise NotImplementedError


def make(
    learning: LearningConfig, steps: float, first: float = 0, factors: list[float] | None = None
) -> tf_keras.optimizers.Optimizer:
    """The optimizer, for epochs of `steps` steps; `first` as of Rate.

    Args:
      factors: of the rate, for each of the variables that it will be built for; none if all are 1.
    """
    config, rate = learning.optimizer, Rate(learning, steps, first)
    kind, more = {
        "sgd": (tf_keras.optimizers.SGD, {"momentum": config.momentum}),
        "adamw": (tf_keras.optimizers.AdamW, {"weight_decay": config.weight_decay}),
        "adam": (tf_keras.optimizers.Adam, {}),
    }[config.name]
    return kind(rate, **more) if factors is None else keras_internals.with_factors(kind, factors)(rate, **more)


def of_update(
    update: Update,
    learning: LearningConfig,
    steps: int,
    first: int,
    networks: Networks,
    factors: list[float] | None,
) -> tf_keras.optimizers.Optimizer:
    """Return the optimizer of one of a loop's updates.

    Args:
      update: one that is not made in every step takes as long for its schedule, in fewer steps of its own.
      learning: whose optimizer is taken if the update names none.
      steps: of the training, in an epoch.
      first: the number of the training's step that comes next.
      networks: by their names.
      factors: of the rate, for each of the trainable variables of the network `main`; None if all are 1.
    """
    if update.optimizer is not None:
        learning = learning.model_copy(update={"optimizer": update.optimizer})
    found = None
    if factors is not None and MAIN in update.networks:
        found = []
        for name in update.networks:
            found += factors if name == MAIN else [1.0] * len(networks[name].trainable_variables)
    return make(learning, steps / update.every, first / update.every, found)
