"""The optimizer of an experiment, and its learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras

from components.models.learning import LearningConfig


class Rate(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over the first steps, then a constant, a cosine to zero, or steps down.

    It depends on the step's number alone, so a training that goes on after a kill meets the same rates.
    """

    def __init__(self, learning: LearningConfig, steps: int) -> None:
        """Args: steps: in an epoch."""
        schedule = learning.schedule
        self._peak, self._name = learning.optimizer.learning_rate, schedule.name
        self._total, self._warmup = float(learning.epochs * steps), float(schedule.warmup * steps)
        self._milestones, self._factor = [epoch * steps for epoch in schedule.milestones], schedule.factor

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of step number `step`, from 0; a float32 scalar."""
        step = tf.cast(step, tf.float32)
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


def make(learning: LearningConfig, steps: int) -> tf_keras.optimizers.Optimizer:
    """The optimizer, for epochs of `steps` steps."""
    config, rate = learning.optimizer, Rate(learning, steps)
    if config.name == "sgd":
        return tf_keras.optimizers.SGD(rate, momentum=config.momentum)
    if config.name == "adamw":
        return tf_keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return tf_keras.optimizers.Adam(rate)
