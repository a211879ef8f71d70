"""Augmentation of time series: channels are deviations from their mean; the last one says which steps there are.

What each does, and to whom it helps: Iwana and Uchida, An Empirical Survey of Data Augmentation for Time Series
Classification with Neural Networks, 2021. All but mixup preserve the label. Strength 0 changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from modelmill.data import augment_random

if TYPE_CHECKING:
    from modelmill.data.modalities.series.config import SeriesPolicy


def augment(series: tf.Tensor, seeds: tf.Tensor, policy: SeriesPolicy) -> tf.Tensor:
    """Changes each example by itself; lengths stay as they are.

    jitter: Gaussian noise of up to that deviation (Um et al. 2017); 0.03 to 0.3. scaling: a factor for each channel (Um
    et al. 2017); 0.1 to 0.3. permutation: up to so many parts change their order (Um et al. 2017); 2 to 5. time_warp:
    up to this share faster and slower along half a wave (after Um et al. 2017); 0.1 to 0.4. window_slice: a part,
    shorter by up to this share, is stretched to the whole (Le Guennec et al. 2016); 0.1 to 0.3.

    Args:
      series: float32 [batch, length, channels + 1].
      seeds: int64 [batch, 2].
      policy: what is done.

    Returns:
      float32 [batch, length, channels + 1].
    """
    if not policy.strength or not policy.changes():
        return series
    key = augment_random.keys(seeds)
    present, changed = series[..., -1:], series[..., :-1]
    if policy.permutation > 1 or policy.time_warp or policy.window_slice:
        changed = _resampled(changed, _places(key, tf.reduce_sum(present, axis=[1, 2]), series.shape[1], policy))
    if policy.scaling:
        drawn = augment_random.normal(key, "scaling", changed.shape[2]) / 2
        changed *= 1 + policy.strength * policy.scaling * tf.clip_by_value(drawn, -1.0, 1.0)[:, tf.newaxis]
    if policy.jitter:
        deviation = policy.strength * policy.jitter * tf.cast(augment_random.uniform(key, "jitter"), tf.float32)
        noise = augment_random.normal(key, "jitter of", changed.shape[1] * changed.shape[2])
        changed += deviation[:, tf.newaxis, tf.newaxis] * tf.reshape(noise, tf.shape(changed))
    return tf.concat([changed * present, present], axis=2)


def mix(series: tf.Tensor, seeds: tf.Tensor, policy: SeriesPolicy) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup (Zhang et al. 2018) of each series with the one before it.

    A step is there if it is there in the one of the greater share; what the other has not is 0, the mean.

    Args:
      series: float32 [batch, length, channels + 1].
      seeds: int64 [batch, 2].
      policy: mixup is the alpha of the paper.

    Returns:
      Series of the same shape, and the share of the one before it, float32 [batch].
    """
    share = tf.cast(
        augment_random.share(augment_random.keys(seeds), "mixup", policy.mixup, policy.strength), tf.float32
    )
    present = series[..., -1:]
    blended = series + (tf.roll(series, 1, axis=0) - series) * share[:, tf.newaxis, tf.newaxis]
    return tf.concat([blended[..., :-1] * present, present], axis=2), share


def _places(key: tf.Tensor, steps: tf.Tensor, length: int, policy: SeriesPolicy) -> tf.Tensor:
    """From which step of the original each step is taken, float32 [batch, length], of series of `steps` steps."""
    last = tf.maximum(steps - 1, 1)[:, tf.newaxis]
    place = tf.range(length, dtype=tf.float32)[tf.newaxis] / last  # 0 to 1, and beyond where it is padded
    if policy.permutation > 1 and policy.strength:
        place = _permuted(key, place, policy)
    if policy.time_warp:
        drawn = (
            tf.cast(augment_random.signed(key, "time warp"), tf.float32)[:, tf.newaxis]
            * policy.strength
            * policy.time_warp
        )
        place += drawn * tf.sin(3.141592653589793 * place) / 3.141592653589793
    if policy.window_slice:
        less = tf.cast(augment_random.uniform(key, "window slice"), tf.float32)[:, tf.newaxis]
        less *= policy.strength * policy.window_slice
        start = tf.cast(augment_random.uniform(key, "window start"), tf.float32)[:, tf.newaxis] * less
        place = start + place * (1 - less)
    return tf.clip_by_value(place, 0.0, 1.0) * last


def _permuted(key: tf.Tensor, place: tf.Tensor, policy: SeriesPolicy) -> tf.Tensor:
    """Parts of equal length in another order; how many, each example draws. With strength, more examples have any."""
    most = policy.permutation
    parts = tf.cast(1 + augment_random.chosen(key, "parts", most), tf.float32)[:, tf.newaxis]
    parts = tf.where(augment_random.uniform(key, "permuted")[:, tf.newaxis] < policy.strength, parts, 1.0)
    ranks = augment_random.normal(key, "order", most)
    order = tf.argsort(tf.where(tf.range(most, dtype=tf.float32)[tf.newaxis] < parts, ranks, 100.0), axis=1)
    part = tf.clip_by_value(tf.floor(place * parts), 0.0, parts - 1)
    source = tf.gather(order, tf.cast(part, tf.int32), batch_dims=1)
    return place + (tf.cast(source, tf.float32) - part) / parts


def _resampled(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """float32 [batch, length, channels] at places between steps, linearly."""
    before = tf.cast(tf.floor(places), tf.int32)
    after = tf.minimum(before + 1, values.shape[1] - 1)
    low, high = (tf.gather(values, one, batch_dims=1) for one in (before, after))
    return low + (high - low) * (places - tf.floor(places))[..., tf.newaxis]
