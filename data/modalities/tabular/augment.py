"""Augmentation of rows of tables: numbers are deviations from their mean, and what is no number is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from modelmill.data import augment_random

if TYPE_CHECKING:
    from modelmill.data.modalities.tabular.config import TabularPolicy


def augment(rows: tf.Tensor, seeds: tf.Tensor, policy: TabularPolicy) -> tf.Tensor:
    """Noise on numbers, and one factor for all of a row. Labels are preserved; strength 0 changes nothing.

    jitter: Gaussian noise of up to that deviation (C. M. Bishop, Training with Noise is Equivalent to Tikhonov
    Regularization, 1995); 0.05 is little, 0.3 much. scaling: a factor between 1 - scaling and 1 + scaling.

    Args:
      rows: float32 [batch, inputs].
      seeds: int64 [batch, 2].
      policy: fitted.

    Returns:
      float32 [batch, inputs].
    """
    if not policy.strength or not policy.changes() or not policy.numbers:
        return rows
    key, changed = augment_random.keys(seeds), rows
    if policy.scaling:
        factor = 1 + policy.strength * policy.scaling * tf.cast(augment_random.signed(key, "scaling"), tf.float32)
        changed *= factor[:, tf.newaxis]
    if policy.jitter:
        deviation = policy.strength * policy.jitter * tf.cast(augment_random.uniform(key, "jitter"), tf.float32)
        changed += deviation[:, tf.newaxis] * augment_random.normal(key, "jitter of", rows.shape[1])
    return tf.where(tf.constant(policy.numbers) > 0, changed, rows)


def mix(rows: tf.Tensor, seeds: tf.Tensor, policy: TabularPolicy) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup (Zhang et al., 2018) of each row with the one before it.

    Numbers are blended; categories and the like stay those of the row that has the greater share.

    Args:
      rows: float32 [batch, inputs].
      seeds: int64 [batch, 2].
      policy: fitted; mixup is the alpha of the paper.

    Returns:
      Rows of the same shape, and the share of the one before it, float32 [batch].
    """
    drawn = augment_random.share(augment_random.keys(seeds), "mixup", policy.mixup, policy.strength)
    share = tf.cast(drawn, tf.float32)
    blended = rows + (tf.roll(rows, 1, axis=0) - rows) * share[:, tf.newaxis]
    return tf.where(tf.constant(policy.numbers or (1.0,)) > 0, blended, rows), share
