"""Targets that say where something lies in an image: masks, boxes and points move as its pixels do."""

from __future__ import annotations

import tensorflow as tf

from modelmill.data.batch import Batch
from modelmill.data.modalities.image.augment import geometry
from modelmill.data.spec import Spec


def move(batch: Batch, matrix: tf.Tensor, spec: Spec) -> Batch:
    """Return the targets of the roles mask, boxes and points, moved as the pixels of the images were.

    A box becomes the smallest upright one around its moved corners, within the image: one that has left the image has
    no area. Points may lie outside of it. Rows beyond NAME_length, if the batch holds it, are padding and stay.

    Args:
      batch: masks [batch, height, width] or [batch, height, width, 1], boxes [batch, n, 4], points [batch, n, 2].
      matrix: of a Warp, int64 [6, batch].
      spec: of the examples, in which the input is the image.
    """
    height, width = spec.input.fixed_shape[:2]
    moved = {}
    for target in spec.targets:
        values = batch[target.name]
        if target.role == "mask":
            moved[target.name] = geometry.resample_nearest(values, matrix)
        elif target.role in ("boxes", "points"):
            function = _boxes if target.role == "boxes" else geometry.move_points
            moved[target.name] = _unless_padding(batch, target.name, function(values, matrix, height, width))
    return moved


def paste(batch: Batch, inside: tf.Tensor, spec: Spec) -> Batch:
    """Return the masks, each with that of the example before it where its pixels are (CutMix).

    Args:
      batch: masks [batch, height, width] or [batch, height, width, 1].
      inside: where the pixels of the other image are, bool [batch, height, width].
      spec: of the examples.
    """
    pasted = {}
    for target in spec.targets:
        if target.role == "mask":
            mask = batch[target.name]
            there = inside if mask.shape.rank == 3 else inside[..., tf.newaxis]
            pasted[target.name] = tf.where(there, tf.roll(mask, 1, axis=0), mask)
    return pasted


def _boxes(boxes: tf.Tensor, matrix: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Boxes [batch, n, 4], ymin xmin ymax xmax, to those around their moved corners."""
    corners = [tf.gather(boxes, places, axis=2) for places in ([0, 1], [0, 3], [2, 1], [2, 3])]
    moved = tf.stack([geometry.move_points(corner, matrix, height, width) for corner in corners])
    ends = tf.concat([tf.reduce_min(moved, axis=0), tf.reduce_max(moved, axis=0)], axis=2)
    return tf.clip_by_value(ends, 0.0, 1.0)


def _unless_padding(batch: Batch, name: str, moved: tf.Tensor) -> tf.Tensor:
    length = batch.get(f"{name}_length")
    if length is None:
        return moved
    return tf.where(tf.sequence_mask(length, tf.shape(moved)[1])[..., tf.newaxis], moved, batch[name])
