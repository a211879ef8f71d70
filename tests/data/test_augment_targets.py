"""Augmentation by role: what says where something lies in an image moves with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.testing.specs import make_spec
from modelmill.data import modality, specs
from modelmill.data.modalities.image.config import ImagePolicy
from modelmill.data.modalities.series.config import SeriesPolicy
from modelmill.data.spec import Spec, TensorSpec

COUNT, HEIGHT, WIDTH = 64, 40, 56
IMAGES = modality.look_up("image")
ROLES: dict[str, tuple[tuple[int | None, ...], str]] = {
    "mask": ((HEIGHT, WIDTH), "int32"),
    "boxes": ((2, 4), "float32"),
    "points": ((3, 2), "float32"),
    "plain": ((), "int64"),
    "time": ((4,), "float32"),
    "tokens": ((4,), "int32"),
}
# Top, left, bottom and right of a picture's only object, in pixels: no side of it can be confused with another.
TOP, LEFT, BOTTOM, RIGHT = 14, 20, 27, 38
GEOMETRY: dict[str, dict[str, Any]] = {
    "rotation": {"rotation": 40},
    "scale": {"scale": 0.2},
    "crop": {"crop": 0.3},
    "shear": {"shear": 15},
    "translation": {"translation": 0.2},
    "flips": {"horizontal_flip": 0.5, "vertical_flip": 0.5},
    "all": {"rotation": 20, "scale": 0.1, "shear": 10, "translation": 0.1, "horizontal_flip": 0.5, "brightness": 0.05},
    "randaugment": {"randaugment": {"operations": 2, "magnitude": 0.4}},
}


def spec_of(*roles: str, **shapes: tuple[int | None, ...]) -> Spec:
    targets = tuple(
        TensorSpec(name=role, shape=shapes.get(role, ROLES[role][0]), dtype=ROLES[role][1], role=role)  # type: ignore[arg-type]
        for role in roles
    )
    return make_spec("image", (HEIGHT, WIDTH, 1), "uint8").model_copy(update={"targets": targets})


def seeds(*numbers: int) -> tf.Tensor:
    return tf.constant([[3, number] for number in numbers], tf.int64)


def pictures(count: int = COUNT) -> dict[str, tf.Tensor]:
    """A light object on a dark ground, with a notch that shows how it lies, and what says where it is."""
    mask = np.zeros((HEIGHT, WIDTH), np.int32)
    mask[TOP:BOTTOM, LEFT:RIGHT] = 1
    mask[TOP : TOP + 5, LEFT : LEFT + 8] = 0
    box = [TOP / HEIGHT, LEFT / WIDTH, BOTTOM / HEIGHT, RIGHT / WIDTH]
    corners = [[TOP / HEIGHT, RIGHT / WIDTH], [BOTTOM / HEIGHT, LEFT / WIDTH], [BOTTOM / HEIGHT, RIGHT / WIDTH]]
    one = {
        "image": np.where(mask, 230, 20).astype(np.uint8)[..., np.newaxis],
        "mask": mask,
        "boxes": np.array([box, box], np.float32),
        "points": np.array(corners, np.float32),
        "plain": np.int64(7),
        "time": np.arange(4, dtype=np.float32),
        "tokens": np.arange(4, dtype=np.int32),
    }
    return {name: tf.constant(np.stack([value] * count)) for name, value in one.items()}


def augmented(policy: dict[str, Any], spec: Spec, numbers: Any = range(COUNT)) -> dict[str, np.ndarray]:
    names = {"image", *(target.name for target in spec.targets)}
    batch = {name: tensor for name, tensor in pictures(len(numbers)).items() if name in names}
    made = IMAGES.augment(batch, seeds(*numbers), ImagePolicy(**policy).fitted(spec), spec)
    assert {name: (one.shape, one.dtype) for name, one in made.items()} == {
        name: (one.shape, one.dtype) for name, one in batch.items()
    }
    return {name: tensor.numpy() for name, tensor in made.items()}


def overlap(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return, of each example, the intersection over union of the light pixels and the mask."""
    found, wanted = images[..., 0] > 125, masks > 0
    return (found & wanted).sum(axis=(1, 2)) / (found | wanted).sum(axis=(1, 2))


@pytest.mark.parametrize("policy", GEOMETRY.values(), ids=GEOMETRY)
def test_a_mask_a_box_and_points_stay_on_what_they_mark(policy: dict[str, Any]) -> None:
    made = augmented(policy, spec_of("mask", "boxes", "points"))
    images, masks = made["image"], made["mask"]
    if policy is not GEOMETRY["randaugment"]:  # it inverts and flattens pictures, too
        assert overlap(images, masks).min() >= 0.95
        unmoved = overlap(images, pictures()["mask"].numpy())
        assert unmoved.min() < 0.8, "an object that moves away from a mask that stays must be seen here"
    assert set(np.unique(masks)) == {0, 1}
    for mask, boxes, points in zip(masks, made["boxes"], made["points"], strict=True):
        rows, columns = np.nonzero(mask)
        if not len(rows) or {0, HEIGHT - 1} & set(rows) or {0, WIDTH - 1} & set(columns):
            continue  # beyond the border the nearest pixel is repeated: there is more of the object than there was
        found = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
        box, ends = boxes[0] * [HEIGHT, WIDTH, HEIGHT, WIDTH], points * [HEIGHT, WIDTH]
        assert (box[:2] <= found[:2] + 1).all() and (box[2:] >= found[2:] - 1).all()
        for row, column in ends:  # corners: an object's pixel is next to each
            assert np.hypot(rows + 0.5 - row, columns + 0.5 - column).min() < 1.6


@pytest.mark.parametrize("policy", [{"horizontal_flip": 1.0}, {"vertical_flip": 1.0}, {"rotation": 0, "jpeg": 0.3}])
def test_a_box_is_exact_where_the_change_is(policy: dict[str, Any]) -> None:
    made = augmented(policy, spec_of("boxes", "points"))
    top, left, bottom, right = pictures(1)["boxes"].numpy()[0, 0]
    if policy.get("horizontal_flip"):
        left, right = 1 - right, 1 - left
    if policy.get("vertical_flip"):
        top, bottom = 1 - bottom, 1 - top
    np.testing.assert_allclose(made["boxes"], np.broadcast_to([top, left, bottom, right], (COUNT, 2, 4)), atol=1e-5)


@pytest.mark.parametrize(
    "policy", [{"brightness": 0.3, "contrast": 0.3, "blur": 1.0, "noise": 0.1, "cutout": 0.3, "jpeg": 0.5}]
)
def test_what_changes_colours_alone_moves_nothing(policy: dict[str, Any]) -> None:
    made, before = augmented(policy, spec_of("mask", "boxes", "points")), pictures()
    assert (made["image"] != before["image"].numpy()).any()
    for name in ("mask", "boxes", "points"):
        np.testing.assert_array_equal(made[name], before[name])


def test_targets_of_other_roles_stay_and_the_image_does_not_depend_on_them() -> None:
    everything, alone = spec_of(*ROLES), spec_of("plain")
    made = augmented(GEOMETRY["all"], everything)
    for name in ("plain", "time", "tokens"):
        np.testing.assert_array_equal(made[name], pictures()[name])
    np.testing.assert_array_equal(made["image"], augmented(GEOMETRY["all"], alone)["image"])


def test_the_same_seed_gives_the_same_targets_whatever_the_batch() -> None:
    spec = spec_of("mask", "boxes", "points")
    whole, part = augmented(GEOMETRY["all"], spec), augmented(GEOMETRY["all"], spec, range(5, 12))
    for name, tensor in part.items():
        np.testing.assert_array_equal(tensor, whole[name][5:12])


def test_rows_that_are_padding_stay() -> None:
    spec = spec_of("boxes", boxes=(None, 4))
    batch = {**pictures(), "boxes_length": tf.ones([COUNT], tf.int32)}
    made = IMAGES.augment(batch, seeds(*range(COUNT)), ImagePolicy(translation=0.3).fitted(spec), spec)["boxes"].numpy()
    np.testing.assert_array_equal(made[:, 1], batch["boxes"][:, 1])
    assert (made[:, 0] != made[:, 1]).any(axis=1).all()


@pytest.mark.parametrize("depth", [(), (1,)])
def test_cutmix_pastes_the_mask_with_the_picture(depth: tuple[int, ...]) -> None:
    spec = spec_of("mask", "plain", mask=(HEIGHT, WIDTH, *depth))
    levels = np.arange(COUNT, dtype=np.uint8) * 3
    images = np.tile(levels[:, None, None, None], (1, HEIGHT, WIDTH, 1))
    batch = {
        "image": tf.constant(images),
        "mask": tf.constant(images.reshape(COUNT, HEIGHT, WIDTH, *depth).astype(np.int32)),
        "plain": tf.one_hot(tf.range(COUNT), COUNT),
    }
    made = IMAGES.mix(batch, seeds(*range(COUNT)), ImagePolicy(cutmix=1).fitted(spec), spec)
    assert (made["image"].numpy() != images).any()
    np.testing.assert_array_equal(made["mask"].numpy().reshape(images.shape), made["image"])
    np.testing.assert_allclose(made["plain"].numpy() @ levels, made["image"].numpy().mean(axis=(1, 2, 3)), atol=0.01)


@pytest.mark.parametrize(
    ("role", "policy", "change"),
    [
        ("mask", {"augmix": {}}, "augmix"),
        ("mask", {"mixup": 0.2, "rotation": 3}, "mixup"),
        ("boxes", {"cutmix": 1}, "cutmix"),
        ("points", {"augmix": {}, "jpeg": 0.1}, "augmix"),
        ("tokens", {"mixup": 1}, "mixup"),
    ],
)
def test_a_change_that_can_not_be_applied_to_a_role_is_refused(role: str, policy: dict[str, Any], change: str) -> None:
    with pytest.raises(ValueError, match=rf"augment\.{change}: .*target {role}, .* role {role}"):
        ImagePolicy(**policy).fitted(spec_of("plain", role))
    off = ImagePolicy(**policy, strength=0)
    assert off.fitted(spec_of(role)) == off and ImagePolicy(**policy).fitted(spec_of("plain")) == ImagePolicy(**policy)


@pytest.mark.parametrize(
    ("role", "shape"), [("mask", (8, 8)), ("boxes", (3, 5)), ("boxes", (4,)), ("points", (2, None)), ("mask", (40,))]
)
def test_a_target_of_another_shape_than_its_role_has_is_refused(role: str, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match=f"target {role}: found the shape .*{shape[0]}.* moves {role} of the shape"):
        ImagePolicy(rotation=5).fitted(spec_of(role, **{role: shape}))


def test_a_modality_without_places_moves_none_of_them() -> None:
    spec = make_spec("series", (12, 3), "float32")
    for role, change in (("boxes", {"jitter": 0.1}), ("time", {"time_warp": 0.1}), ("time", {"mixup": 0.1})):
        other = spec.model_copy(update={"targets": (TensorSpec(name="t", shape=(12,), dtype="float32", role=role),)})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"augment.{next(iter(change))}: can't be applied to the target t"):
            SeriesPolicy.model_validate(change).fitted(other)
        if role == "time":
            assert SeriesPolicy(jitter=0.1).fitted(other) == SeriesPolicy(jitter=0.1)


def test_names_of_inputs_and_targets_differ() -> None:
    stored = spec_of("plain").model_dump()
    stored["targets"][0]["name"] = "image"
    with pytest.raises(ValueError, match="several inputs or targets are called image"):
        specs.read(stored)
