"""Fingerprints of raw examples: a key that small changes leave as it is, and a few rough features.

For `modelmill check`, which looks for examples that are nearly the same and for labels that the others contradict. They
need no model and no TensorFlow. Each modality makes its own (`fingerprint`); one that makes none is compared by the
content of its examples alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fingerprint:
    """What an example looks like from afar.

    Attributes:
      key: equal for examples that look the same; None if that can't be said.
      features: a text, numbers, or named numbers and words.
    """

    key: str | None
    features: str | NDArray[np.float32] | dict[str, float | str]


def bits(differences: NDArray[Any]) -> str:
    """Return which differences are above 0, as hexadecimal digits."""
    return np.packbits(differences > 0).tobytes().hex()
