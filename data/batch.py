"""Batches of examples: tensors by their names, and what augmentation does to targets of each role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelmill.data.spec import Spec, TensorSpec

if TYPE_CHECKING:
    import tensorflow as tf

# Every tensor of the examples, inputs and targets, [batch, ...], by the name of its TensorSpec.
Batch = dict[str, "tf.Tensor"]

# Roles of tensors that say where something lies in an example: they move with it, or are wrong.
PLACES = ("mask", "boxes", "points")


def of(inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> Batch:
    """Return the batch of one input, or of the drafts of it, and of one target."""
    return {spec.input.name: inputs, spec.target.name: labels}


def by_name(given: tf.Tensor | Batch, tensors: tuple[TensorSpec, ...]) -> Batch:
    """Return a batch; what is given may also be the only tensor. Raises ValueError if a batch of several is not named.

    Args:
      given: as a data set yields it.
      tensors: the inputs, or the targets, of the spec.
    """
    if isinstance(given, dict):
        return given
    if len(tensors) != 1:
        names = ", ".join(tensor.name for tensor in tensors)
        raise ValueError(f"found one tensor, but the spec has {len(tensors)} ({names}); give a dict of them by name")
    return {tensors[0].name: given}


def network_inputs(batch: Batch) -> tf.Tensor | Batch:
    """Return what a network is called with: the tensor of the only input, or several by their input layers' names."""
    return next(iter(batch.values())) if len(batch) == 1 else batch


def mix_plain_targets(batch: Mapping[str, tf.Tensor], share: tf.Tensor, spec: Spec) -> Batch:
    """Return the targets of role "plain", each mixed with that of the example before it.

    Args:
      batch: holds them as numbers of which a mixture means something: float32 [batch, ...], such as one-hot classes.
      share: of the example before, float32 [batch].
      spec: of the examples.

    Raises:
      ValueError: a target holds whole numbers.
    """
    import tensorflow as tf

    mixed = {}
    for target in spec.targets:
        if target.role != "plain":
            continue
        values = batch[target.name]
        if not values.dtype.is_floating:
            raise ValueError(
                f"target {target.name}: found {values.dtype.name}, but only float targets can be mixed; the task's "
                "soft_targets must give float32, or the policy must not mix"
            )
        weight = tf.reshape(tf.cast(share, values.dtype), [-1] + [1] * (values.shape.rank - 1))
        mixed[target.name] = values + (tf.roll(values, 1, axis=0) - values) * weight
    return mixed
