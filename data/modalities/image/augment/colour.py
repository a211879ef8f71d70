"""Changes of pixels' values; the linear ones are one step. Images are float32 [batch, height, width, channels]."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

# What the eye sees of red, green and blue (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


@dataclass
class Tint:
    """Of each example, [batch]; what is left at its default does nothing.

    Attributes:
      hue: radians by which colours are turned about the axis of greys.
      saturation: a factor of the distance from the pixel's grey.
      contrast: a factor of the distance from the image's mean.
      gain: a factor of all.
      light: added at last, 1 is the full range.
    """

    hue: tf.Tensor | float = 0.0
    saturation: tf.Tensor | float = 1.0
    contrast: tf.Tensor | float = 1.0
    gain: tf.Tensor | float = 1.0
    light: tf.Tensor | float = 0.0

    def step(self, mean: tf.Tensor, channels: int) -> dict[str, tf.Tensor]:
        """The linear step that does it all, float32; `mean` [batch] is that of the images. Grey has no colour.

        factor and offset are [batch]; colours, if there are any to change, is [3, batch, 3]: what red, green and
        blue each add to the three channels.
        """
        contrast, gain = tf.cast(self.contrast, tf.float64), tf.cast(self.gain, tf.float64)
        factor = contrast * gain + tf.zeros_like(mean)
        offset = mean * (gain - factor) + 255 * tf.cast(self.light, tf.float64)
        step = {"factor": tf.cast(factor, tf.float32), "offset": tf.cast(offset, tf.float32)}
        if channels == 3 and not (isinstance(self.hue, float) and isinstance(self.saturation, float)):
            step["colours"] = self._colours()
        return step

    def _colours(self) -> tf.Tensor:
        """Hue, then saturation, as `step` says."""
        hue, keep = tf.cast(self.hue, tf.float64), tf.cast(self.saturation, tf.float64)
        same = (1 + 2 * tf.cos(hue)) / 3
        after, before = ((1 - tf.cos(hue)) / 3 + sign * tf.sin(hue) / 3**0.5 for sign in (1, -1))
        columns = []
        for column in ([same, after, before], [before, same, after], [after, before, same]):
            grey = tf.add_n([part * weight for part, weight in zip(column, _LUMA, strict=True)])
            columns.append(tf.stack([grey + (part - grey) * keep for part in column], axis=-1))
        return tf.cast(tf.stack(columns), tf.float32)


def tint(images: tf.Tensor, step: dict[str, tf.Tensor]) -> tf.Tensor:
    """Applies the step of a Tint."""
    if "colours" in step:
        columns = [column[:, tf.newaxis, tf.newaxis, :] for column in tf.unstack(step["colours"])]
        images = tf.add_n([images[..., place : place + 1] * column for place, column in enumerate(columns)])
    return images * spread(step["factor"]) + spread(step["offset"])


def mean_of(images: tf.Tensor) -> tf.Tensor:
    """Of uint8 images, float64 [batch]. Summed as integers: exact in any order, hence equal in any batch."""
    rows = tf.reduce_sum(tf.cast(images, tf.int32), axis=[2, 3])
    count = images.shape[1] * images.shape[2] * images.shape[3]
    return tf.cast(tf.reduce_sum(tf.cast(rows, tf.int64), axis=1), tf.float64) / count


def kernel(sigma: tf.Tensor, largest: float, size: int) -> tf.Tensor:
    """Weights of a Gaussian of deviation `sigma` pixels [batch], at most `largest`: float32 [batch, odd number].

    Args:
      sigma: of each example.
      largest: how far it reaches is three times that, but at most `size`.
      size: the image's shorter side.
    """
    reach = min(max(1, round(3 * largest)), size)
    steps = tf.range(-reach, reach + 1, dtype=tf.float64)
    weights = tf.exp(-0.5 * (steps / tf.maximum(sigma, 1e-6)[:, tf.newaxis]) ** 2)
    return tf.cast(weights / tf.reduce_sum(weights, axis=1, keepdims=True), tf.float32)


def blur(images: tf.Tensor, kernel: tf.Tensor, axis: int) -> tf.Tensor:
    """Along one axis, by weights [batch, odd number]; the border is mirrored."""
    shifted = _shifted(images, axis, kernel.shape[1] // 2)
    weights = tf.unstack(kernel, axis=1)
    return tf.add_n([one * spread(weight) for one, weight in zip(shifted, weights, strict=True)])


def _shifted(images: tf.Tensor, axis: int, reach: int) -> list[tf.Tensor]:
    """The images moved by -reach to reach pixels along an axis; mirrored at the border."""
    paddings = [[reach, reach] if place == axis else [0, 0] for place in range(4)]
    padded = tf.pad(images, paddings, "SYMMETRIC")
    size = images.shape[axis]
    return [tf.gather(padded, tf.range(step, step + size), axis=axis) for step in range(2 * reach + 1)]


def cut_out(images: tf.Tensor, side: float, at_x: tf.Tensor, at_y: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Fills a square (DeVries and Taylor, 2017).

    Args:
      images: of any kind.
      side: of the square, as a share of the shorter side.
      at_x: and at_y: where its centre lies, in [0, 1), [batch]; a part may lie outside.
      fill: the value, [batch].
    """
    height, width = images.shape[1], images.shape[2]
    half = side * min(height, width) / 2
    rows = tf.abs(tf.range(height, dtype=tf.float64) + 0.5 - at_y[:, tf.newaxis] * height) <= half
    columns = tf.abs(tf.range(width, dtype=tf.float64) + 0.5 - at_x[:, tf.newaxis] * width) <= half
    inside = (rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :])[..., tf.newaxis]
    return tf.where(inside, spread(fill), images)


def autocontrast(images: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to the full range."""
    low = tf.reduce_min(images, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(images, axis=[1, 2], keepdims=True)
    return tf.where(high > low, (images - low) * (255 / tf.maximum(high - low, 1e-3)), images)


def equalize(images: tf.Tensor) -> tf.Tensor:
    """Makes every value about equally frequent, per channel."""
    batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    values = tf.cast(tf.clip_by_value(tf.round(images), 0, 255), tf.int32)
    plane = tf.range(batch)[:, tf.newaxis, tf.newaxis, tf.newaxis] * channels + tf.range(channels)
    place = plane * 256 + values
    counts = tf.math.unsorted_segment_sum(
        tf.ones([batch * (height * width * channels)], tf.int32), tf.reshape(place, [-1]), batch * channels * 256
    )
    below = tf.cumsum(tf.reshape(counts, [-1, 256]), axis=1, exclusive=True)
    # Of a single value nothing is below, and it stays what it is.
    most = tf.reduce_max(tf.where(tf.reshape(counts, [-1, 256]) > 0, below, 0), axis=1, keepdims=True)
    table = tf.where(most > 0, below * 255 // tf.maximum(most, 1), tf.range(256))
    return tf.cast(tf.gather(tf.reshape(table, [-1]), place), tf.float32)


def solarize(images: tf.Tensor, threshold: float) -> tf.Tensor:
    """Inverts what is at or above the threshold."""
    return tf.where(images >= threshold, 255 - images, images)


def posterize(images: tf.Tensor, step: float) -> tf.Tensor:
    """Keeps multiples of `step` only."""
    return tf.floor(images / step) * step


def sharpen(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Distance from a smoothed image, times `factor` [batch]: below 1 smoother, above sharper."""
    rows = _shifted(images, 1, 1)
    total = tf.add_n([one for row in rows for one in _shifted(row, 2, 1)])
    smooth = (total + 4 * images) * (1 / 13)
    return smooth + (images - smooth) * spread(factor)


def compress(images: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """What is left of images uint8 as JPEGs of that quality, int32 [batch] from 1 to 100; at 100 all."""

    def one(given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, wanted = given
        encoded = tf.raw_ops.EncodeJpegVariableQuality(images=image, quality=tf.maximum(wanted, 1))
        decoded = tf.io.decode_jpeg(encoded, channels=images.shape[-1], dct_method="INTEGER_ACCURATE")
        return tf.where(wanted < 100, tf.reshape(decoded, tf.shape(image)), image)

    out = tf.map_fn(one, (images, quality), fn_output_signature=images.dtype)
    return tf.ensure_shape(out, images.shape)


def spread(values: tf.Tensor) -> tf.Tensor:
    """[batch] to float32 [batch, 1, 1, 1]; a number stays one."""
    values = tf.cast(values, tf.float32)
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis] if values.shape.rank else values
