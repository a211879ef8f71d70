"""MixUp and CutMix: each image of a batch is mixed with the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from modelmill.data import augment_random

if TYPE_CHECKING:
    from modelmill.data.modalities.image.config import ImagePolicy


def mix(images: tf.Tensor, seeds: tf.Tensor, policy: ImagePolicy) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mixes the images of a batch; with both kinds in the policy each example draws one of them.

    How much is an example's own draw; with what, is its neighbour in the batch (which is shuffled).

    Args:
      images: uint8 [batch, height, width, channels].
      seeds: int64 [batch, 2].
      policy: mixup and cutmix are the alphas of the papers, 0 is off.

    Returns:
      Images uint8 of the same shape; the share of the one before it in each, float32 [batch]; and where CutMix has
      put its pixels, bool [batch, height, width].
    """
    key = augment_random.keys(seeds)
    share = tf.zeros_like(key, tf.float64)  # of the other image, in the whole picture
    inside = tf.zeros(tf.shape(images)[:3], tf.bool)
    cuts = augment_random.uniform(key, "mix kind") < (0.5 if policy.mixup else 1.0)
    cuts &= policy.cutmix > 0
    if policy.mixup:
        drawn = augment_random.share(key, "mixup", policy.mixup, policy.strength)
        share = tf.where(cuts, share, drawn)
    weight = share
    if policy.cutmix:
        box = _box(key, images, augment_random.share(key, "cutmix", policy.cutmix, policy.strength))
        inside = box & cuts[:, tf.newaxis, tf.newaxis]
        share = tf.where(cuts, tf.reduce_mean(tf.cast(inside, tf.float64), axis=[1, 2]), share)
    other = tf.roll(images, 1, axis=0)
    blended = _blend(images, other, tf.cast(weight, tf.float32)[:, tf.newaxis, tf.newaxis, tf.newaxis])
    return tf.where(inside[..., tf.newaxis], other, blended), tf.cast(share, tf.float32), inside


def _blend(images: tf.Tensor, other: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """uint8, weight of the other in [0, 0.5 or so)."""
    pixels = tf.cast(images, tf.float32)
    return tf.cast(tf.round(pixels + (tf.cast(other, tf.float32) - pixels) * weight), tf.uint8)


def _box(key: tf.Tensor, images: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """A rectangle of that share of the picture, somewhere; what lies outside is lost. bool [batch, height, width]."""
    height, width = images.shape[1], images.shape[2]
    side = tf.sqrt(share) / 2
    spans = []
    for name, size in (("cutmix y", height), ("cutmix x", width)):
        centre = augment_random.uniform(key, name)[:, tf.newaxis]
        places = (tf.range(size, dtype=tf.float64) + 0.5) / size
        spans.append(tf.abs(places - centre) < side[:, tf.newaxis])
    return spans[0][:, :, tf.newaxis] & spans[1][:, tf.newaxis, :]
