"""From outputs to an answer: a number for each label, and the label with the greatest if the answer is one of classes.

In a bundle a task's own client.py stands in place of this file, if it has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .manifest import NAME, DamagedError

REQUIRES = ()


def answer(outputs: list[NDArray[np.float32]], labels: list[str], manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what is printed of one example.

    Args:
      outputs: of the flatbuffer, here one: float32 [labels].
      labels: of labels.txt.
      manifest: says what the answer is called, and whether a label goes with it.
    """
    shapes = [values.shape for values in outputs]
    if shapes != [(len(labels),)]:
        raise DamagedError(
            f"damaged: {NAME}: {manifest['labels']}, which it names, has {len(labels)} labels, but the outputs of the "
            f"flatbuffer have the shapes {shapes}"
        )
    values = outputs[0]
    named = {"label": labels[int(values.argmax())]} if "label" in manifest["saved_model"]["outputs"] else {}
    numbers = dict(zip(labels, values.tolist()))  # noqa: B905 (`strict` is too new for many devices)
    return {**named, manifest["flatbuffer"]["output"]["name"]: numbers}
