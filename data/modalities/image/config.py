"""The `data` and `augment` sections of images."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from modelmill.data import policy
from modelmill.data.core.config import Strict
from modelmill.data.readers.tfrecords import RecordsConfig
from modelmill.data.spec import Spec, TensorSpec

# More pixels than any camera gives, fewer than a decompression bomb needs; and from where Pillow itself refuses.
MAX_PIXELS, PILLOW_REFUSES = 100_000_000, 178_956_970


class ImageConfig(RecordsConfig):
    """Images are decoded to `channels` and resized to height x width (triangle filter, as Pillow's bilinear)."""

    modality: Literal["image"] = "image"
    height: int = Field(ge=1, le=4096, description="Pixels, after resizing.")
    width: int = Field(ge=1, le=4096, description="Pixels, after resizing.")
    channels: Literal[1, 3] = Field(3, description="1 is grey, 3 is RGB.")
    max_pixels: int = Field(
        MAX_PIXELS, ge=1, le=PILLOW_REFUSES, description="Of a file; a larger one is not decoded: it could fill memory."
    )


class RandAugment(Strict):
    """Each example draws that many of fourteen changes, all of one magnitude (Cubuk et al., 2019)."""

    operations: int = Field(2, ge=1, le=14)
    magnitude: float = Field(0.3, ge=0, le=1, description="Share of the largest change; a paper's 9 of 30 is 0.3.")


class AugMix(Strict):
    """Each example is blended with a few short chains of changes (Hendrycks et al., 2020)."""

    chains: int = Field(3, ge=1, le=8)
    depth: int = Field(3, ge=1, le=8, description="Changes in a chain, at most.")
    magnitude: float = Field(0.3, ge=0, le=1, description="Share of the largest change; a paper's 3 of 10 is 0.3.")


class ImagePolicy(policy.Policy):
    """Each example draws one value of each range, uniformly. Geometric ones share a single resampling."""

    MIXING = ("mixup", "cutmix")

    rotation: float = Field(0, ge=0, le=180, description="Degrees, to either side.")
    scale: float = Field(0, ge=0, lt=1, description="Zoom between 1 - scale and 1 + scale.")
    crop: float = Field(0, ge=0, lt=1, description="Up to this share of each side is cut away, then resized back.")
    shear: float = Field(0, ge=0, le=60, description="Degrees by which edges lean, to either side, per axis.")
    translation: float = Field(0, ge=0, le=1, description="Share of each side, to either side.")
    horizontal_flip: float = Field(0, ge=0, le=1, description="Probability that left and right change places.")
    vertical_flip: float = Field(0, ge=0, le=1, description="Probability that top and bottom change places.")
    brightness: float = Field(0, ge=0, le=1, description="Added, as a share of the full range of a pixel.")
    contrast: float = Field(0, ge=0, lt=1, description="Distance from the image's mean, times 1 ± contrast.")
    saturation: float = Field(0, ge=0, le=1, description="Distance from grey, times 1 ± saturation; colour only.")
    hue: float = Field(0, ge=0, le=180, description="Degrees on the circle of colours, to either side; colour only.")
    blur: float = Field(0, ge=0, le=10, description="Gaussian, of up to this deviation in pixels.")
    noise: float = Field(0, ge=0, le=1, description="Gaussian, of up to this deviation as a share of the full range.")
    cutout: float = Field(0, ge=0, le=1, description="A square of this share of the shorter side becomes flat.")
    randaugment: RandAugment | None = Field(None, description="Changes drawn from a list, besides those above.")
    augmix: AugMix | None = Field(None, description="A blend with changed versions of itself; before all others.")
    jpeg: float = Field(
        0, ge=0, le=1, description="What compressing leaves: quality falls from 100 by up to this share of 99; last."
    )
    mixup: float = Field(0, ge=0, le=10, description="Blends pairs by Beta(a, a) of this a; needs soft labels.")
    cutmix: float = Field(0, ge=0, le=10, description="Pastes a rectangle of another image; size by Beta(a, a).")

    def excluded_roles(self, change: str) -> tuple[str, ...]:
        """Return the roles of targets that a change can't be applied to.

        AugMix shows an object in several places at once, which no mask, box or point could follow; mixing pastes
        masks, but blends none, and would need the union of boxes, of which their tensor has no room.
        """
        if change == "augmix":
            return ("mask", "boxes", "points")
        if change in self.MIXING:
            return ("boxes", "points", "tokens", "time", *(["mask"] if change == "mixup" else []))
        return ()

    def fitted(self, spec: Spec) -> Self:
        """See the base; targets that move need the shapes of their roles. Raises ValueError."""
        for target in spec.targets if self.active() else ():
            allowed = _shapes(target, spec.input)
            if allowed and not any(_matches(target.shape, shape) for shape in allowed):
                raise ValueError(
                    f"target {target.name}: found the shape {target.shape}; augmentation moves {target.role} of the "
                    f"shape {' or '.join(map(str, allowed))}"
                )
        return super().fitted(spec)


def _shapes(target: TensorSpec, image: TensorSpec) -> tuple[tuple[int | None, ...], ...]:
    """Return the shapes that a target of this role may have; none: any. None: an axis of any length."""
    height, width = image.shape[:2]
    shapes: dict[str, tuple[tuple[int | None, ...], ...]] = {
        "mask": ((height, width), (height, width, 1)),
        "boxes": ((None, 4),),
        "points": ((None, 2),),
    }
    return shapes.get(target.role, ())


def _matches(shape: tuple[int | None, ...], allowed: tuple[int | None, ...]) -> bool:
    return len(shape) == len(allowed) and all(want in (None, size) for size, want in zip(shape, allowed, strict=True))
