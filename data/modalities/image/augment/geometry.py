"""Where the pixels of an augmented image come from: every geometric change in one matrix, and one resampling."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

_BITS = 16
_ONE = 1 << _BITS


@dataclass
class Warp:
    """Of each example, float64 [batch]; what is left at its default does nothing.

    Attributes:
      angle: radians, counter-clockwise.
      zoom: a factor; above 1 things grow.
      shear_x: horizontal displacement for a step down, in steps.
      shear_y: vertical displacement for a step to the right.
      shift_x: where the centre of the output lies in the input, as a share of the width, from the input's centre.
      shift_y: the same, of the height.
      mirror_x: -1 flips left and right.
      mirror_y: -1 flips top and bottom.
    """

    angle: tf.Tensor | float = 0.0
    zoom: tf.Tensor | float = 1.0
    shear_x: tf.Tensor | float = 0.0
    shear_y: tf.Tensor | float = 0.0
    shift_x: tf.Tensor | float = 0.0
    shift_y: tf.Tensor | float = 0.0
    mirror_x: tf.Tensor | float = 1.0
    mirror_y: tf.Tensor | float = 1.0

    def matrix(self, batch: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """From pixels of the output to those of the input: (xx, xy, x0, yx, yy, y0) in 65536ths, int64 [6, batch]."""

        def column(value: tf.Tensor | float) -> tf.Tensor:
            return tf.broadcast_to(tf.cast(value, tf.float64), [batch])

        cos, sin = tf.cos(column(self.angle)), tf.sin(column(self.angle))
        shear_x, shear_y = column(self.shear_x), column(self.shear_y)
        to_x = column(self.mirror_x) / column(self.zoom)
        to_y = column(self.mirror_y) / column(self.zoom)
        xx, xy = to_x * (cos - sin * shear_y), to_x * (cos * shear_x - sin)
        yx, yy = to_y * (sin + cos * shear_y), to_y * (sin * shear_x + cos)
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        x0 = centre_x + column(self.shift_x) * width - xx * centre_x - xy * centre_y
        y0 = centre_y + column(self.shift_y) * height - yx * centre_x - yy * centre_y
        return tf.cast(tf.round(tf.stack([xx, xy, x0, yx, yy, y0]) * _ONE), tf.int64)


def resample(images: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Bilinear; beyond the border the nearest pixel is repeated.

    Positions are fixed-point numbers, so that an example comes out the same in any batch and on any machine. The
    work is that of the output's pixels: a crop costs nothing, for it is in the matrix.

    Args:
      images: uint8 [batch, height, width, channels].
      matrix: of a Warp.

    Returns:
      float32 in [0, 255], of the same shape.
    """
    batch = tf.shape(images)[0]
    _, height, width, channels = images.shape
    xx, xy, x0, yx, yy, y0 = tf.unstack(matrix)
    left, right = _position(xx, xy, x0, height, width, width)
    top, down = _position(yx, yy, y0, height, width, height)
    start = (tf.range(batch) * (height * width))[:, tf.newaxis, tf.newaxis] + top * width + left
    pixels = tf.reshape(images, [-1, channels])

    def corner(step: int) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, start + step), tf.int32)

    # An image of one row or column has no neighbour there, and its weight is zero.
    next_x, next_y = min(1, width - 1), width * min(1, height - 1)
    upper = corner(0) * (256 - right) + corner(next_x) * right
    lower = corner(next_y) * (256 - right) + corner(next_y + next_x) * right
    return tf.cast(upper * (256 - down) + lower * down, tf.float32) * (1 / 65536)


def resample_nearest(masks: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Move masks as `resample` moves images: each pixel has the value of one that was there, never one in between.

    Args:
      masks: of any dtype, [batch, height, width] or [batch, height, width, channels].
      matrix: of a Warp.

    Returns:
      Of the same shape and dtype.
    """
    height, width = masks.shape[1:3]
    xx, xy, x0, yx, yy, y0 = tf.unstack(matrix)
    column = _nearest(_places(xx, xy, x0, height, width), width)
    row = _nearest(_places(yx, yy, y0, height, width), height)
    return tf.gather_nd(masks, tf.stack([row, column], axis=-1), batch_dims=1)


def move_points(points: tf.Tensor, matrix: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Move points as `resample` moves what lies there; they may come to lie outside of the image.

    Args:
      points: [batch, n, 2], y and x as shares of the height and of the width.
      matrix: of a Warp: from pixels of the output to those of the input, so this is its inverse.
      height: of the images, in pixels.
      width: of the images, in pixels.

    Returns:
      Of the same shape and dtype.
    """
    xx, xy, x0, yx, yy, y0 = tf.unstack(tf.cast(matrix, tf.float64)[..., tf.newaxis] / _ONE)
    # The centre of pixel 0 is at 0 for the matrix, and half a pixel from the edge for shares.
    from_y = tf.cast(points[..., 0], tf.float64) * height - 0.5 - y0
    from_x = tf.cast(points[..., 1], tf.float64) * width - 0.5 - x0
    determinant = xx * yy - xy * yx
    y = tf.math.divide_no_nan(xx * from_y - yx * from_x, determinant)
    x = tf.math.divide_no_nan(yy * from_x - xy * from_y, determinant)
    return tf.cast(tf.stack([(y + 0.5) / height, (x + 0.5) / width], axis=-1), points.dtype)


def _nearest(places: tf.Tensor, size: int) -> tf.Tensor:
    """Places in 65536ths to the nearest of `size` pixels, int32."""
    inside = tf.cast(tf.clip_by_value(places, 0, (size - 1) * _ONE), tf.int32)
    return tf.bitwise.right_shift(inside + _ONE // 2, _BITS)


def _places(step_x: tf.Tensor, step_y: tf.Tensor, start: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Along one axis of the input, where each pixel of the output comes from, in 65536ths: int64 [batch, h, w]."""
    columns, rows = tf.range(width, dtype=tf.int64), tf.range(height, dtype=tf.int64)
    return (step_x[:, tf.newaxis] * columns)[:, tf.newaxis, :] + (step_y[:, tf.newaxis] * rows + start[:, tf.newaxis])[
        :, :, tf.newaxis
    ]


def _position(
    step_x: tf.Tensor, step_y: tf.Tensor, start: tf.Tensor, height: int, width: int, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Along one axis of `size` pixels: the pixel before, int32 [batch, h, w], and 256ths of the way to the next."""
    place = _places(step_x, step_y, start, height, width)
    inside = tf.cast(tf.clip_by_value(place, 0, (size - 1) * _ONE), tf.int32)
    pixel = tf.minimum(tf.bitwise.right_shift(inside, _BITS), max(size - 2, 0))
    rest = tf.bitwise.right_shift(inside - pixel * _ONE + (1 << (_BITS - 9)), _BITS - 8)
    return pixel, rest[..., tf.newaxis]
