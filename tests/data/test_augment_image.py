"""Augmentation of images: stateless, seeded, the identity at strength 0, in and out of tf.data alike."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data.augment import image

POLICY = {"rotation": 30.0, "scale": 0.2, "crop": 0.3, "brightness": 0.2, "contrast": 0.3}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 10, 14, 3), dtype=np.uint8)


def seeds(*numbers: int) -> tf.Tensor:
    return tf.constant([[7, number] for number in numbers], tf.int64)


def test_strength_zero_changes_nothing(images: np.ndarray) -> None:
    out = image.augment(images, seeds(*range(6)), **POLICY, strength=0)
    np.testing.assert_array_equal(out, images)


def test_an_empty_policy_changes_nothing(images: np.ndarray) -> None:
    np.testing.assert_array_equal(image.augment(images, seeds(*range(6))), images)


@pytest.mark.parametrize("change", POLICY)
def test_each_change_changes_pixels_and_keeps_shape_and_type(images: np.ndarray, change: str) -> None:
    out = image.augment(images, seeds(*range(6)), **{change: POLICY[change]})
    assert out.shape == images.shape
    assert out.dtype == tf.uint8
    assert all(np.any(one != before) for one, before in zip(out.numpy(), images, strict=True))


def test_the_same_seed_gives_the_same_pixels_whatever_the_batch(images: np.ndarray) -> None:
    together = image.augment(images, seeds(*range(6)), **POLICY).numpy()
    for number in range(6):
        alone = image.augment(images[number : number + 1], seeds(number), **POLICY).numpy()
        np.testing.assert_array_equal(alone[0], together[number])


def test_another_seed_gives_other_pixels(images: np.ndarray) -> None:
    same = np.repeat(images[:1], 2, axis=0)
    first, second = image.augment(same, seeds(1, 2), **POLICY).numpy()
    assert np.any(first != second)


def test_in_a_dataset_it_does_what_it_does_eagerly(images: np.ndarray) -> None:
    eager = image.augment(images, seeds(*range(6)), **POLICY).numpy()
    dataset = tf.data.Dataset.from_tensor_slices((images, seeds(*range(6)))).batch(4)
    mapped = dataset.map(lambda batch, seed: image.augment(batch, seed, **POLICY))
    np.testing.assert_array_equal(np.concatenate(list(mapped.as_numpy_iterator())), eager)


def test_a_quarter_turn_turns_counter_clockwise() -> None:
    square = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    turned = image.resample(
        square, angle=tf.constant([np.pi / 2], tf.float32), zoom=tf.ones([1]), shift=tf.zeros([1, 2])
    )
    np.testing.assert_allclose(turned[0, :, :, 0], np.rot90(square[0, :, :, 0]), atol=1e-3)


def test_zoom_two_keeps_the_centre_and_shift_moves_the_window() -> None:
    ramp = np.tile(np.arange(9, dtype=np.float32), (9, 1)).reshape(1, 9, 9, 1)
    still = tf.zeros([1])
    zoomed = image.resample(ramp, angle=still, zoom=tf.constant([2.0]), shift=tf.zeros([1, 2])).numpy()[0, 4, :, 0]
    np.testing.assert_allclose(zoomed, np.arange(2, 6.5, 0.5), atol=1e-4)
    shifted = image.resample(ramp, angle=still, zoom=tf.ones([1]), shift=tf.constant([[1 / 9, 0.0]])).numpy()[
        0, 4, :, 0
    ]
    np.testing.assert_allclose(shifted, [1, 2, 3, 4, 5, 6, 7, 8, 8], atol=1e-4)


def test_brightness_and_contrast_stay_within_their_ranges() -> None:
    grey = np.full((64, 4, 4, 1), 100, np.uint8)
    lit = image.augment(grey, seeds(*range(64)), brightness=0.1).numpy().astype(int)
    assert 100 - 26 <= lit.min() < 90 and 110 < lit.max() <= 100 + 26
    halves = np.concatenate([np.full((64, 4, 2, 1), 50, np.uint8), np.full((64, 4, 2, 1), 150, np.uint8)], axis=2)
    spread = image.augment(halves, seeds(*range(64)), contrast=0.5).numpy().astype(int)
    span = spread[:, 0, -1, 0] - spread[:, 0, 0, 0]
    assert 50 <= span.min() < 65 and 135 < span.max() <= 150
