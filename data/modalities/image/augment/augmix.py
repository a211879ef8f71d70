"""AugMix (Hendrycks et al., 2020): a blend of the image with a few chains of changes of it, none of them strong.

As in the paper the weights of the chains are drawn from Dirichlet(1, ..., 1) and the share of the image as it was from
Beta(1, 1). Within a chain the order is that of `image.augment`: geometry first, in one resampling. It keeps the label;
the paper's further loss, between two versions of an image, is not here.
"""

from __future__ import annotations

import tensorflow as tf

from modelmill.data import augment_random
from modelmill.data.modalities.image.augment import colour, randaugment
from modelmill.data.modalities.image.augment.geometry import Warp, resample
from modelmill.data.modalities.image.augment.randaugment import Choice

# The paper's: what its test set of corruptions has (colour, contrast, brightness, sharpness) is left out.
KINDS = (
    *("autocontrast", "equalize", "posterize", "rotate", "solarize"),
    *("shear_x", "shear_y", "translate_x", "translate_y"),
)
Drawn = dict[str, tf.Tensor]
REST = tuple(kind for kind in randaugment.REST if kind in KINDS)


def draw(chains: int, depth: int, magnitude: float, strength: float, images: tf.Tensor, key: tf.Tensor) -> list[Drawn]:
    """For each chain its `matrix`, the kinds of REST that are in it, and its `share` [batch] of the result.

    Args: chains, depth and magnitude of the policy; strength: of both the changes and their share; key: [batch].
    """
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    weights = [-tf.math.log(1 - augment_random.uniform(key, f"augmix weight {chain}")) for chain in range(chains)]
    blended = strength * augment_random.uniform(key, "augmix share") / tf.add_n(weights)
    found = []
    for chain, weight in enumerate(weights):
        name = f"augmix {chain}"
        length = 1 + augment_random.chosen(key, f"{name} depth", depth)
        chosen = Choice(key, depth, magnitude * strength, name, KINDS, length)
        share = tf.cast(weight * blended, tf.float32)
        found.append({"matrix": chosen.warp(Warp()).matrix(batch, height, width), "share": share, **chosen.rest()})
    return found


def begin(images: tf.Tensor, drawn: Drawn) -> tf.Tensor:
    """The geometric changes of a chain; what follows is `randaugment.apply`. uint8 to float32."""
    return resample(images, drawn["matrix"])


def blend(images: tf.Tensor, versions: list[tf.Tensor], drawn: list[Drawn]) -> tf.Tensor:
    """Images uint8 and what the chains made of them, float32, by the chains' shares; uint8."""
    pixels = tf.cast(images, tf.float32)
    changes = [(version - pixels) * colour.spread(one["share"]) for version, one in zip(versions, drawn, strict=True)]
    return tf.cast(tf.round(tf.clip_by_value(pixels + tf.add_n(changes), 0, 255)), tf.uint8)
