"""Augmentation of images: stateless, seeded, the identity at strength 0, in and out of tf.data alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.testing.specs import make_spec
from modelmill.data import augment_random, modality
from modelmill.data.modalities.image.augment import colour, geometry, pipeline
from modelmill.data.modalities.image.config import ImagePolicy

POLICY: dict[str, Any] = {"rotation": 30.0, "scale": 0.2, "crop": 0.3, "brightness": 0.2, "contrast": 0.3}
MORE: dict[str, Any] = {
    "shear": 20.0,
    "translation": 0.3,
    "horizontal_flip": 1.0,
    "vertical_flip": 1.0,
    "saturation": 0.8,
    "hue": 90.0,
    "blur": 1.5,
    "noise": 0.2,
    "cutout": 0.5,
    "randaugment": {"operations": 4, "magnitude": 0.7},
    "augmix": {"magnitude": 0.7},
    "jpeg": 0.9,
}
ALL = {**POLICY, **MORE}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 10, 14, 3), dtype=np.uint8)


def seeds(*numbers: int) -> tf.Tensor:
    return tf.constant([[7, number] for number in numbers], tf.int64)


def augmented(images: Any, numbers: Any = range(6), dtype: tf.DType = tf.uint8, **policy: Any) -> np.ndarray:
    return pipeline.augment(tf.constant(images), seeds(*numbers), ImagePolicy(**policy), dtype).numpy()


@pytest.mark.parametrize("policy", [{}, {**ALL, "strength": 0}])
def test_nothing_changes_nothing(images: np.ndarray, policy: dict[str, Any]) -> None:
    np.testing.assert_array_equal(augmented(images, **policy), images)


@pytest.mark.parametrize("change", ALL)
def test_each_change_changes_pixels_and_keeps_shape_and_type(images: np.ndarray, change: str) -> None:
    out = augmented(images, **{change: ALL[change]})
    assert (out.shape, out.dtype) == (images.shape, images.dtype)
    assert all(np.any(one != before) for one, before in zip(out, images, strict=True))
    weaker = augmented(images, **{change: ALL[change]}, strength=0.01).astype(int)
    if "flip" not in change:
        assert np.abs(weaker - images).mean() < 0.4 * np.abs(out.astype(int) - images).mean()


def test_the_same_seed_gives_the_same_pixels_whatever_the_batch(images: np.ndarray) -> None:
    together = augmented(images, **ALL)
    for number in (0, 5):
        np.testing.assert_array_equal(augmented(images[number : number + 1], [number], **ALL)[0], together[number])
    many = augmented(np.repeat(images, 7, axis=0), np.repeat(range(6), 7), **ALL)
    np.testing.assert_array_equal(many, np.repeat(together, 7, axis=0))


def test_another_seed_gives_other_pixels(images: np.ndarray) -> None:
    first, second = augmented(np.repeat(images[:1], 2, axis=0), [1, 2], **POLICY)
    assert np.any(first != second)


def test_in_a_dataset_it_does_what_it_does_eagerly(images: np.ndarray) -> None:
    dataset = tf.data.Dataset.from_tensor_slices((images, seeds(*range(6)))).batch(4)
    mapped = dataset.map(lambda batch, seed: pipeline.augment(batch, seed, ImagePolicy(**POLICY)))
    np.testing.assert_array_equal(np.concatenate(list(mapped.as_numpy_iterator())), augmented(images, **POLICY))


def test_one_change_more_leaves_the_draws_of_the_others_alone(images: np.ndarray) -> None:
    def drawn(**policy: Any) -> dict[str, tf.Tensor]:
        return pipeline._draw(ImagePolicy(**policy), tf.constant(images), seeds(*range(6)))

    without, with_more = (
        drawn(**POLICY, cutout=0.5, noise=0.1),
        drawn(**POLICY, **{**MORE, "randaugment": None, "augmix": None}),
    )
    for name in ("cutout x", "cutout y", "factor"):
        np.testing.assert_array_equal(without[name], with_more[name])
    np.testing.assert_allclose(without["noise"] / 0.1, with_more["noise"] / 0.2)


def test_float_out_is_what_uint8_out_is_rounded_from(images: np.ndarray) -> None:
    exact = augmented(images, dtype=tf.float32, **POLICY)
    assert exact.dtype == np.float32 and exact.min() >= 0 and exact.max() <= 255
    np.testing.assert_array_equal(np.round(exact), augmented(images, **POLICY))


def warped(images: np.ndarray, **changes: float) -> np.ndarray:
    matrix = geometry.Warp(**changes).matrix(len(images), *images.shape[1:3])
    return geometry.resample(tf.constant(images), matrix).numpy()


def test_geometry_on_squares_and_ramps() -> None:
    square = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1)
    plain = square[0, :, :, 0]
    np.testing.assert_array_equal(warped(square)[0, :, :, 0], plain)
    np.testing.assert_allclose(warped(square, angle=np.pi / 2)[0, :, :, 0], np.rot90(plain), atol=0.01)
    np.testing.assert_array_equal(warped(square, mirror_x=-1.0)[0, :, :, 0], plain[:, ::-1])
    np.testing.assert_array_equal(warped(square, mirror_y=-1.0)[0, :, :, 0], plain[::-1])
    ramp = np.tile(np.arange(9, dtype=np.uint8) * 10, (9, 1)).reshape(1, 9, 9, 1)
    np.testing.assert_allclose(warped(ramp, zoom=2.0)[0, 4, :, 0], np.arange(20, 65, 5), atol=0.1)
    shifted = warped(ramp, shift_x=1 / 9)[0, 4, :, 0]
    np.testing.assert_allclose(shifted, [10, 20, 30, 40, 50, 60, 70, 80, 80], atol=0.1)
    sheared = warped(ramp, shear_x=1.0)[0, :, 4, 0]
    np.testing.assert_allclose(sheared, np.arange(9) * 10, atol=0.1)
    for shape in ((1, 1, 7, 1), (1, 7, 1, 3)):  # no neighbour to blend with
        line = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.testing.assert_array_equal(warped(line), line)


def test_it_agrees_with_tensorflows_own_resampling() -> None:
    smooth = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.float32)
    photo = tf.cast(tf.image.resize(smooth, [60, 80], "bicubic"), tf.uint8).numpy()
    photo = np.clip(photo, 0, 255)
    matrix = geometry.Warp(angle=0.4, zoom=1.3, shear_x=0.1, shift_y=0.05).matrix(4, 60, 80)
    rows = tf.transpose(tf.cast(matrix, tf.float32) / 65536)
    theirs = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(photo, tf.float32),
        transforms=tf.concat([rows, tf.zeros([4, 2])], axis=1),
        output_shape=[60, 80],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    assert np.abs(theirs - geometry.resample(tf.constant(photo), matrix)).max() < 1.5


def test_brightness_and_contrast_stay_within_their_ranges() -> None:
    grey = np.full((64, 4, 4, 1), 100, np.uint8)
    lit = augmented(grey, range(64), brightness=0.1).astype(int)
    assert 100 - 26 <= lit.min() < 90 and 110 < lit.max() <= 100 + 26
    halves = np.concatenate([np.full((64, 4, 2, 1), 50, np.uint8), np.full((64, 4, 2, 1), 150, np.uint8)], axis=2)
    spread = augmented(halves, range(64), contrast=0.5).astype(int)
    span = spread[:, 0, -1, 0] - spread[:, 0, 0, 0]
    assert 50 <= span.min() < 65 and 135 < span.max() <= 150


def test_colour_is_changed_as_it_is_said_and_grey_stays_grey() -> None:
    red = np.tile(np.uint8([140, 80, 80]), (32, 4, 4, 1))
    pale = augmented(red, range(32), saturation=1.0).astype(int)
    grey = 0.299 * 140 + (0.587 + 0.114) * 80
    np.testing.assert_allclose(pale @ np.array([0.299, 0.587, 0.114]), grey, atol=1.5)
    turned = augmented(red, range(32), hue=60.0).astype(int)
    np.testing.assert_allclose(turned.sum(axis=-1), 300, atol=2)
    third = colour.Tint(hue=tf.constant([2 * np.pi / 3], tf.float64)).step(tf.zeros([1], tf.float64), 3)
    np.testing.assert_allclose(colour.tint(tf.constant([[[[9.0, 0, 0]]]]), third)[0, 0, 0], [0, 9, 0], atol=1e-4)
    flat = np.full((4, 4, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(augmented(flat, range(4), hue=180.0, saturation=1.0, blur=2.0), flat)
    one = np.full((4, 4, 4, 1), 90, np.uint8)
    np.testing.assert_array_equal(augmented(one, range(4), hue=180.0, saturation=1.0), one)


def test_the_changes_of_randaugment_do_what_their_names_say() -> None:
    ramp = tf.constant(np.linspace(50, 100, 64, dtype=np.float32).reshape(1, 8, 8, 1))
    stretched = colour.autocontrast(ramp).numpy()
    np.testing.assert_allclose([stretched.min(), stretched.max()], [0, 255], atol=0.01)
    equal = np.sort(colour.equalize(tf.round(ramp)).numpy().ravel())
    assert equal[0] == 0 and equal[-1] == 255 and np.all(np.diff(equal) < 12)
    flat = tf.fill([1, 4, 4, 3], 77.0)
    for change in (colour.autocontrast, colour.equalize, lambda one: colour.sharpen(one, tf.constant([1.9]))):
        np.testing.assert_allclose(change(flat), flat, atol=1e-4)
    np.testing.assert_array_equal(colour.solarize(tf.constant([10.0, 200.0]), 128), [10, 55])
    np.testing.assert_array_equal(colour.posterize(tf.constant([10.0, 200.0]), 16.0), [0, 192])


def test_augmix_lies_between_the_image_and_its_changes(images: np.ndarray) -> None:
    many = np.repeat(images[:1], 200, axis=0)
    out = augmented(many, range(200), augmix={"magnitude": 0.3}).astype(float)
    share = np.abs(out - images[0]).mean(axis=(1, 2, 3))
    assert share.min() < 3 and share.max() > 30
    flat = np.full((8, 6, 6, 3), 201, np.uint8)
    # Only what maps a value to another changes a flat image: never geometry.
    assert len(np.unique(augmented(flat, range(8), augmix={"magnitude": 0.3})[..., 0, 0, 0])) > 1
    drawn = pipeline._draw_aug_mix(ImagePolicy(augmix={"chains": 4, "depth": 2}), tf.constant(many), seeds(*range(200)))
    shares = np.stack([one["share"] for one in drawn])
    assert shares.shape == (4, 200) and shares.sum(axis=0).min() > 0 and shares.sum(axis=0).max() < 1
    np.testing.assert_allclose(shares.mean(axis=1), 0.125, atol=0.03)


def test_jpeg_loses_more_at_a_lower_quality_and_nothing_at_100(images: np.ndarray) -> None:
    smooth = tf.cast(tf.image.resize(images, [24, 24]), tf.uint8).numpy()
    lost = []
    for quality in (100, 90, 30, 1):
        out = colour.compress(tf.constant(smooth), tf.fill([6], quality)).numpy()
        lost.append(np.abs(out.astype(int) - smooth.astype(int)).mean())
    assert lost[0] == 0 and lost == sorted(lost) and lost[3] > 2 * lost[1]
    assert augmented(smooth[..., :1], jpeg=1.0).shape == (6, 24, 24, 1)


def test_cutout_makes_a_square_of_its_size_flat() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 20, 3), dtype=np.uint8)
    out = augmented(noise, range(16), cutout=0.5)
    changed = (out != noise).any(axis=-1).sum(axis=(1, 2))
    assert changed.max() in range(90, 111) and changed.min() > 10


def test_draws_are_uniform_and_noise_is_normal() -> None:
    key = augment_random.keys(tf.stack([tf.zeros([20_000], tf.int64), tf.range(20_000, dtype=tf.int64)], axis=1))
    one, other = augment_random.uniform(key, "one").numpy(), augment_random.uniform(key, "other").numpy()
    assert np.abs(np.histogram(one, 10, (0, 1))[0] - 2000).max() < 200
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03 and abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    noise = augment_random.normal(key[:100], "noise", 1000).numpy()
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((np.abs(noise) > 2).mean() - 0.0455) < 0.005


@pytest.mark.parametrize("policy", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixing_gives_shares_that_fit_the_pixels(policy: dict[str, float]) -> None:
    values = np.arange(40, dtype=np.uint8) * 6
    batch = np.tile(values[:, None, None, None], (1, 16, 16, 1))
    labels = tf.one_hot(tf.range(40), 40)
    spec = make_spec("image", (16, 16, 1), "uint8", [str(label) for label in range(40)])

    def mixed(**more: Any) -> tuple[np.ndarray, np.ndarray]:
        given = {"image": tf.constant(batch), "label": labels}
        made = modality.look_up("image").mix(given, seeds(*range(40)), ImagePolicy(**policy, **more), spec)
        return made["image"].numpy(), made["label"].numpy()

    out, shares = mixed()
    assert out.dtype == np.uint8 and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), shares @ values, atol=0.6)
    assert 0.02 < 1 - np.diag(shares).mean() < 0.5
    still, same = mixed(strength=0)
    np.testing.assert_array_equal(still, batch)
    np.testing.assert_array_equal(same, labels)


def test_a_policy_is_parted_into_what_is_written_and_what_is_drawn_while_training() -> None:
    policy = ImagePolicy(rotation=10, mixup=0.2, strength=0.5, mode="materialized", copies=3)
    assert policy.online() == ImagePolicy(mixup=0.2, strength=0.5)
    assert policy.per_example() == ImagePolicy(rotation=10, strength=0.5)
    assert policy.mixes() and not policy.online().changes() and policy.per_example().changes()
    online = policy.model_copy(update={"mode": "online"})
    assert online.online() == ImagePolicy(rotation=10, mixup=0.2, strength=0.5)
