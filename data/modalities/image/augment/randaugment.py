"""RandAugment (Cubuk et al., 2019): a few changes drawn from a list, all of one magnitude.

The geometric ones join the policy's one resampling and the linear ones its one step of colour, so the order is that of
`image.augment`, not that in which they are drawn.
"""

from __future__ import annotations

import math

import tensorflow as tf

from modelmill.data import augment_random
from modelmill.data.modalities.image.augment import colour
from modelmill.data.modalities.image.augment.colour import Tint
from modelmill.data.modalities.image.augment.geometry import Warp

# The paper's list; the ranges are those at magnitude 1.
KINDS = (
    "identity",
    "autocontrast",
    "equalize",
    "rotate",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
# Those that are neither geometric nor linear, in the order in which they are applied.
REST = ("autocontrast", "equalize", "solarize", "posterize", "sharpness")
_TURN, _SHEAR, _SHIFT, _ENHANCE, _BITS_LOST = math.pi / 6, 0.3, 0.45, 0.9, 4


class Choice:
    """What each example of a batch has drawn."""

    def __init__(
        self,
        key: tf.Tensor,
        operations: int,
        magnitude: float,
        name: str = "randaugment",
        kinds: tuple[str, ...] = KINDS,
        length: tf.Tensor | None = None,
    ) -> None:
        """Args: key: of draws, [batch]; operations: how many are drawn; magnitude: in [0, 1]; name: of the draws.

        kinds: of which they are drawn; length: how many of them are done, [batch]; all if absent.
        """
        self._magnitude = magnitude
        self._signs = dict.fromkeys(KINDS, tf.zeros_like(key, tf.float64))
        self._drawn = dict.fromkeys(KINDS, tf.zeros_like(key, tf.bool))
        for number in range(operations):
            drawn = augment_random.chosen(key, f"{name} kind {number}", len(kinds))
            sign = tf.where(augment_random.uniform(key, f"{name} sign {number}") < 0.5, -1.0, 1.0)
            for place, kind in enumerate(kinds):
                hit = drawn == place
                if length is not None:
                    hit &= number < length
                self._drawn[kind] |= hit
                self._signs[kind] += tf.where(hit, tf.cast(sign, tf.float64), 0.0)

    def _amount(self, kind: str, most: float) -> tf.Tensor:
        """Signed, float64 [batch]; what was drawn twice counts twice."""
        return self._signs[kind] * (self._magnitude * most)

    def warp(self, warp: Warp) -> Warp:
        """With the geometric changes added."""
        return Warp(
            angle=warp.angle + self._amount("rotate", _TURN),
            zoom=warp.zoom,
            shear_x=warp.shear_x + self._amount("shear_x", _SHEAR),
            shear_y=warp.shear_y + self._amount("shear_y", _SHEAR),
            shift_x=warp.shift_x + self._amount("translate_x", _SHIFT),
            shift_y=warp.shift_y + self._amount("translate_y", _SHIFT),
            mirror_x=warp.mirror_x,
            mirror_y=warp.mirror_y,
        )

    def tint(self, tint: Tint) -> Tint:
        """With the linear changes of colour added."""

        def factor(kind: str) -> tf.Tensor:
            return tf.maximum(1 + self._amount(kind, _ENHANCE), 0)

        return Tint(
            hue=tint.hue,
            saturation=tint.saturation * factor("color"),
            contrast=tint.contrast * factor("contrast"),
            gain=tint.gain * factor("brightness"),
            light=tint.light,
        )

    def rest(self) -> dict[str, tf.Tensor]:
        """What `apply` needs: for each other kind, bool [batch], whether it was drawn; and how much to sharpen."""
        found = {kind: self._drawn[kind] for kind in REST}
        found["sharpen by"] = tf.cast(1 + self._amount("sharpness", _ENHANCE), tf.float32)
        return found


def apply(kind: str, images: tf.Tensor, rest: dict[str, tf.Tensor], magnitude: float, strength: float) -> tf.Tensor:
    """Images float32 with one kind of REST; what has no magnitude is blended in by `strength`."""
    images = tf.clip_by_value(images, 0, 255)
    if kind == "autocontrast":
        changed = images + strength * (colour.autocontrast(images) - images)
    elif kind == "equalize":
        changed = images + strength * (colour.equalize(images) - images)
    elif kind == "solarize":
        changed = colour.solarize(images, 256 * (1 - magnitude))
    elif kind == "posterize":
        changed = colour.posterize(images, 2.0 ** round(_BITS_LOST * magnitude))
    else:
        changed = colour.sharpen(images, rest["sharpen by"])
    return tf.where(rest[kind][:, tf.newaxis, tf.newaxis, tf.newaxis], changed, images)
