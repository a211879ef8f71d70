"""Augmentation of images: pure, stateless, seeded; what an example becomes depends on its own seed alone.

All geometric changes are one resampling and all linear changes of colour one step, and the whole is compiled by XLA
into few loops over the pixels: several times faster than op after op, each of which would write the images anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import tensorflow as tf

from modelmill.data import augment_random
from modelmill.data.modalities.image.augment import augmix, colour, randaugment
from modelmill.data.modalities.image.augment.colour import Tint
from modelmill.data.modalities.image.augment.geometry import Warp, resample
from modelmill.data.modalities.image.augment.randaugment import REST, Choice

if TYPE_CHECKING:
    from modelmill.data.modalities.image.config import ImagePolicy

_GEOMETRIC = ("rotation", "scale", "crop", "shear", "translation", "horizontal_flip", "vertical_flip")
_LINEAR = ("brightness", "contrast", "saturation", "hue")


def augment(images: tf.Tensor, seeds: tf.Tensor, policy: ImagePolicy, dtype: tf.DType = tf.uint8) -> tf.Tensor:
    """Changes each image as its seed and the policy say.

    Args:
      images: uint8 [batch, height, width, channels]; all but the batch must be known.
      seeds: int64 [batch, 2].
      policy: what is done and how much; at strength 0 the images are given back.
      dtype: of the result: uint8, or float32 for what has not been rounded. Both are in [0, 255].

    Returns:
      Of the same shape.
    """
    return augment_with_matrix(images, seeds, policy, dtype)[0]


def augment_with_matrix(
    images: tf.Tensor, seeds: tf.Tensor, policy: ImagePolicy, dtype: tf.DType = tf.uint8
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """As `augment`, with the matrix of the resampling (see Warp), by which targets move; None if no pixel moves."""
    per_example = policy.per_example()
    if not per_example.changes():
        return tf.cast(images, dtype), None
    if per_example.augmix:
        images = _aug_mix(per_example, images, seeds)
    pixels, drawn = images, _compiled(_draw, per_example)(images, seeds)
    matrix = drawn["matrix"] if _moves(per_example) else None
    *stages, last = _stages(per_example)
    for stage in stages:
        pixels = _compiled(stage, per_example)(pixels, drawn)
    if not per_example.jpeg:
        return _compiled(_finish, per_example, last, dtype)(pixels, drawn), matrix
    pixels = _compiled(_finish, per_example, last, tf.uint8)(pixels, drawn)
    return tf.cast(colour.compress(pixels, drawn["quality"]), dtype), matrix


def _moves(policy: ImagePolicy) -> bool:
    """Whether there is a resampling. What AugMix moves in its chains no target could follow: the policy refuses it."""
    return bool(policy.randaugment or any(getattr(policy, name) for name in _GEOMETRIC))


@lru_cache(maxsize=256)
def _compiled(function: Callable[..., tf.Tensor], *fixed: object) -> Callable[..., tf.Tensor]:
    """`function` with its first arguments fixed, compiled once: its machine code then serves every pass of a dataset.

    Not all in one: XLA would draw an example's numbers anew for each pixel, and blur what it has to warp anew for
    each weight.
    """
    return tf.function(partial(function, *fixed), jit_compile=True, autograph=False)


def _draw(policy: ImagePolicy, images: tf.Tensor, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
    """All numbers that are drawn. Each has a name: switching one change on leaves the draws of the others alone."""
    key, strength = augment_random.keys(seeds), policy.strength
    batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    warp, tint, mean = _warp(key, policy), _tint(key, policy), tf.zeros([batch], tf.float64)
    if policy.contrast or policy.randaugment or policy.cutout:
        mean = colour.mean_of(images)
    drawn = {"key": key, "mean": mean}
    if policy.randaugment:
        chosen = Choice(key, policy.randaugment.operations, policy.randaugment.magnitude * strength)
        warp, tint = chosen.warp(warp), chosen.tint(tint)
        drawn |= chosen.rest()
    drawn |= {"matrix": warp.matrix(batch, height, width), **tint.step(mean, channels)}
    if policy.blur:
        largest = strength * policy.blur
        drawn["kernel"] = colour.kernel(augment_random.uniform(key, "blur") * largest, largest, min(height, width))
    if policy.noise:
        drawn["noise"] = augment_random.uniform(key, "noise") * (strength * policy.noise * 255)
    if policy.jpeg:
        lost = augment_random.uniform(key, "jpeg") * (strength * policy.jpeg * 99)
        drawn["quality"] = 100 - tf.cast(tf.round(lost), tf.int32)
    if policy.cutout:
        drawn |= {f"cutout {axis}": augment_random.uniform(key, f"cutout {axis}") for axis in ("x", "y")}
    return drawn


def _aug_mix(policy: ImagePolicy, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Compiled in parts, as the rest is; the chains share them."""
    versions = []
    drawn = _compiled(_draw_aug_mix, policy)(images, seeds)
    for chain in drawn:
        pixels = _compiled(augmix.begin)(images, chain)
        for kind in augmix.REST:
            pixels = _compiled(_AUG_MIX[kind], policy)(pixels, chain)
        versions.append(pixels)
    return _compiled(augmix.blend)(images, versions, drawn)


def _draw_aug_mix(policy: ImagePolicy, images: tf.Tensor, seeds: tf.Tensor) -> list[dict[str, tf.Tensor]]:
    assert policy.augmix
    chains, depth, magnitude = policy.augmix.chains, policy.augmix.depth, policy.augmix.magnitude
    return augmix.draw(chains, depth, magnitude, policy.strength, images, augment_random.keys(seeds))


def _step_of_aug_mix(kind: str, policy: ImagePolicy, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    assert policy.augmix
    return randaugment.apply(kind, images, drawn, policy.augmix.magnitude * policy.strength, 1.0)


_AUG_MIX = {kind: partial(_step_of_aug_mix, kind) for kind in augmix.REST}


def _stages(policy: ImagePolicy) -> list[Callable[..., tf.Tensor]]:
    """The functions (policy, images, drawn) -> images through which images go, one after the other."""
    stages: list[Callable[..., tf.Tensor]] = [_linear]
    if policy.randaugment:
        stages += [_RAND_AUGMENT[kind] for kind in REST]
    if policy.blur:
        stages += [_blur_rows, _blur_columns]
    return stages


def _linear(policy: ImagePolicy, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    """uint8 to float32: the resampling and the linear step of colour."""
    pixels = tf.cast(images, tf.float32)
    if _moves(policy):
        pixels = resample(images, drawn["matrix"])
    if policy.randaugment or any(getattr(policy, name) for name in _LINEAR):
        pixels = colour.tint(pixels, drawn)
    return pixels


def _rand_augment(kind: str, policy: ImagePolicy, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    assert policy.randaugment
    magnitude = policy.randaugment.magnitude * policy.strength
    return randaugment.apply(kind, images, drawn, magnitude, policy.strength)


# Named, because `_compiled` finds a function again by its identity.
_RAND_AUGMENT = {kind: partial(_rand_augment, kind) for kind in REST}


def _blur_rows(policy: ImagePolicy, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    return colour.blur(images, drawn["kernel"], axis=2)


def _blur_columns(policy: ImagePolicy, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    return colour.blur(images, drawn["kernel"], axis=1)


def _finish(
    policy: ImagePolicy, last: Callable[..., tf.Tensor], dtype: tf.DType, images: tf.Tensor, drawn: dict[str, tf.Tensor]
) -> tf.Tensor:
    """The last stage, and what changes single pixels: noise and cutout; within the range, as `dtype`."""
    pixels = last(policy, images, drawn)
    if policy.noise:
        size = images.shape[1] * images.shape[2] * images.shape[3]
        noise = tf.reshape(augment_random.normal(drawn["key"], "noise pixels", size), tf.shape(images))
        pixels += noise * colour.spread(drawn["noise"])
    if policy.cutout:
        side = policy.strength * policy.cutout
        pixels = colour.cut_out(pixels, side, drawn["cutout x"], drawn["cutout y"], drawn["mean"])
    pixels = tf.clip_by_value(pixels, 0, 255)
    return tf.cast(tf.round(pixels), tf.uint8) if dtype == tf.uint8 else tf.cast(pixels, dtype)


def _warp(key: tf.Tensor, policy: ImagePolicy) -> Warp:
    """What the policy's geometric ranges came to."""
    strength, warp = policy.strength, Warp()
    if policy.rotation:
        warp.angle = augment_random.signed(key, "rotation") * math.radians(strength * policy.rotation)
    if policy.scale:
        warp.zoom = 1 + augment_random.signed(key, "scale") * (strength * policy.scale)
    if policy.crop:
        window = 1 - augment_random.uniform(key, "crop") * (strength * policy.crop)
        warp.zoom /= window
        warp.shift_x = augment_random.signed(key, "crop x") * (1 - window) / 2
        warp.shift_y = augment_random.signed(key, "crop y") * (1 - window) / 2
    if policy.shear:
        most = strength * policy.shear
        warp.shear_x, warp.shear_y = (
            tf.tan(augment_random.signed(key, f"shear {axis}") * math.radians(most)) for axis in ("x", "y")
        )
    if policy.translation:
        most = strength * policy.translation
        warp.shift_x += augment_random.signed(key, "translation x") * most
        warp.shift_y += augment_random.signed(key, "translation y") * most
    if policy.horizontal_flip:
        warp.mirror_x = _flipped(key, "horizontal flip", strength * policy.horizontal_flip)
    if policy.vertical_flip:
        warp.mirror_y = _flipped(key, "vertical flip", strength * policy.vertical_flip)
    return warp


def _flipped(key: tf.Tensor, name: str, probability: float) -> tf.Tensor:
    return tf.where(augment_random.uniform(key, name) < probability, tf.constant(-1.0, tf.float64), 1.0)


def _tint(key: tf.Tensor, policy: ImagePolicy) -> Tint:
    """What the policy's ranges of colour came to."""
    strength, tint = policy.strength, Tint()
    if policy.hue:
        tint.hue = augment_random.signed(key, "hue") * math.radians(strength * policy.hue)
    if policy.saturation:
        tint.saturation = 1 + augment_random.signed(key, "saturation") * (strength * policy.saturation)
    if policy.contrast:
        tint.contrast = 1 + augment_random.signed(key, "contrast") * (strength * policy.contrast)
    if policy.brightness:
        tint.light = augment_random.signed(key, "brightness") * (strength * policy.brightness)
    return tint
