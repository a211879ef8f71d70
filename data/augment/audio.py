"""Augmentation of waveforms: pure, stateless, seeded; what an example becomes depends on its own seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from data.augment import draws

if TYPE_CHECKING:
    from data.modalities.audio import Policy


def augment(samples: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tf.Tensor:
    """Changes each waveform as its seed and the policy say.

    Args:
      samples: int16 [batch, samples].
      seeds: int64 [batch, 2].
      policy: what is done and how much; at strength 0 the samples are given back.

    Returns:
      Of the same shape.
    """
    if not policy.per_example().changes():
        return samples
    key = draws.keys(seeds)
    waves = tf.cast(samples, tf.float32)
    decibels = draws.signed(key, "gain") * (policy.strength * policy.gain)
    waves *= tf.cast(10 ** (decibels / 20), tf.float32)[:, tf.newaxis]
    return tf.cast(tf.clip_by_value(tf.round(waves), -32768.0, 32767.0), tf.int16)
