"""Augmentation of images: pure, stateless TensorFlow functions; equal seeds give equal pixels."""

from __future__ import annotations

import math

import tensorflow as tf

DRAWS = 7


def augment(
    images: tf.Tensor,
    seeds: tf.Tensor,
    *,
    rotation: float = 0,
    scale: float = 0,
    crop: float = 0,
    brightness: float = 0,
    contrast: float = 0,
    strength: float = 1,
) -> tf.Tensor:
    """Rotates, scales and crops in one resampling, then changes contrast and brightness.

    Args:
      images: uint8 [batch, height, width, channels].
      seeds: int64 [batch, 2]; what an example becomes depends on its own seed alone, not on its batch.
      rotation: degrees, to either side.
      scale: zoom between 1 - scale and 1 + scale.
      crop: up to this share of each side is cut away.
      brightness: added, as a share of 255.
      contrast: distance from the image's mean, times a factor between 1 - contrast and 1 + contrast.
      strength: in [0, 1], scales all of them; 0 gives the images back unchanged.

    Returns:
      uint8, of the same shape.
    """
    draws = tf.map_fn(lambda seed: tf.random.stateless_uniform([DRAWS], seed), seeds, fn_output_signature=tf.float32)
    # Columns of [-1, 1], each for one kind of change, so that switching one on leaves the others' draws alone.
    turn, zoom, shift_x, shift_y, light, spread, cut = tf.unstack(draws * 2 - 1, axis=1)
    pixels = tf.cast(images, tf.float32)
    if strength and (rotation or scale or crop):
        window = 1 - strength * crop * (cut + 1) / 2
        pixels = resample(
            pixels,
            angle=turn * (strength * rotation * math.pi / 180),
            zoom=(1 + zoom * (strength * scale)) / window,
            shift=tf.stack([shift_x, shift_y], axis=1) * ((1 - window) / 2)[:, tf.newaxis],
        )
    if strength and contrast:
        mean = tf.reduce_mean(pixels, axis=[1, 2, 3], keepdims=True)
        pixels = mean + (pixels - mean) * _spread(1 + spread * (strength * contrast))
    if strength and brightness:
        pixels += _spread(light * (strength * brightness * 255))
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


def resample(images: tf.Tensor, angle: tf.Tensor, zoom: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Turns and zooms images about their centres, bilinearly; beyond the border the nearest pixel is repeated.

    Args:
      images: float32 [batch, height, width, channels].
      angle: radians [batch], counter-clockwise.
      zoom: factor [batch]; above 1 things grow.
      shift: where the centre of the output lies in the input, as (x, y) shares of width and height [batch, 2].
    """
    height, width = images.shape[1], images.shape[2]
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    cos, sin = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    # Rows of the matrix that takes output pixels to input pixels.
    offset_x = centre_x - cos * centre_x + sin * centre_y + shift[:, 0] * width
    offset_y = centre_y - sin * centre_x - cos * centre_y + shift[:, 1] * height
    zeros = tf.zeros_like(angle)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([cos, -sin, offset_x, sin, cos, offset_y, zeros, zeros], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _spread(values: tf.Tensor) -> tf.Tensor:
    """[batch] to [batch, 1, 1, 1]."""
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]
