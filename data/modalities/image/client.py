"""Client part of the modality image: a picture to the flatbuffer's input. It needs numpy and Pillow.

What happens before the flatbuffer must give the pixels that it was trained on, so decoding and resizing follow
TensorFlow (tf.io.decode_jpeg with dct_method="INTEGER_ACCURATE", tf.image.resize with antialias=True) step by step:
the pixels are the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Turn the picture, the first of several, as its orientation tag says, and put what is transparent on white. "
    "Decode it (JPEG by the accurate integer DCT) to 8-bit grey or RGB. "
    "Resize to height x width, stretching: bilinear (triangle filter) with half-pixel centres, the filter widened by "
    "the factor by which a side shrinks, its weights normalised. Round half to even, clip to 0..255, uint8."
)
# The packages that it imports besides numpy.
REQUIRES = ("PIL",)
# Of the manifest's `preprocessing`.
FIELDS = {"height": int, "width": int, "channels": int}
FILES = "PNG, JPEG, WebP, GIF, BMP or TIFF"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# The EXIF tag of the orientation, and that of a picture that stands upright.
ORIENTATION, UPRIGHT = 0x0112, 1
# What Pillow calls JPEG files, those of several pictures among them.
JPEG = ("JPEG", "MPO")
# libpng's shares of red, green and blue in grey, in 1/32768.
GREY = np.array([9797, 19234, 3737], np.uint32)
SRGB_GAMMA = 0.45455


class NotAnImageError(ValueError):
    """A file that can't be decoded; the message names it."""


ERROR = NotAnImageError


class Reader:
    """Reads pictures."""

    dtype = "uint8"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        self.shape = (settings["height"], settings["width"], settings["channels"])

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Yield the one example of a file. Raises NotAnImageError: it is no image of FILES."""
        yield str(path), preprocess(path, *self.shape)


def preprocess(path: str | Path, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """A file to uint8 [height, width, channels], channels 1 (grey) or 3 (RGB)."""
    pixels = decode(path, channels)
    if pixels.shape[:2] != (height, width):
        pixels = resize(pixels, height, width)
    return pixels


def standard(content: bytes) -> bytes:
    """Return a picture as a PNG or JPEG whose stored pixels are those that are seen, which TensorFlow decodes, too.

    That is the content itself if it is one: upright and opaque. Of any other, or of another format, it is a PNG of its
    first picture, turned as its orientation tag says, with what is transparent on white, CMYK as RGB.

    Raises:
      OSError, SyntaxError, ValueError: it can't be decoded.
      PIL.Image.DecompressionBombError: it has more pixels than Pillow allows.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        transparent = _transparent(image)
        known = image.format == "PNG" or (image.format in JPEG and image.mode in ("L", "RGB"))
        if known and not transparent and image.getexif().get(ORIENTATION, UPRIGHT) == UPRIGHT:
            return content
        if image.mode == "F":
            raise ValueError("its pixels are floats; save it with 8 bits a channel")
        turned = ImageOps.exif_transpose(image)
        if transparent:
            drawing = turned.convert("RGBA")
            turned = Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("RGB")
            pixels = np.asarray(turned)
            turned = turned if (pixels != pixels[..., :1]).any() else turned.convert("L")
        elif turned.mode not in ("1", "L", "RGB") and not turned.mode.startswith("I"):
            turned = turned.convert("L" if turned.mode in ("LA", "La") else "RGB")
        made = io.BytesIO()
        Image.frombytes(turned.mode, turned.size, turned.tobytes()).save(made, "PNG")  # without its metadata
        return made.getvalue()


def _transparent(image: Image.Image) -> bool:
    """Whether any pixel is not opaque."""
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return False
    if image.mode == "P" and not (image.palette and image.palette.getdata()[1]):
        return False
    return bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)


def decode(path: str | Path, channels: int) -> NDArray[np.uint8]:
    """A file to uint8 [its height, its width, channels]. Raises NotAnImageError."""
    try:
        return pixels(standard(Path(path).read_bytes()), channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotAnImageError(f"{path}: no image that can be decoded ({error}); {FILES} can") from error


def pixels(content: bytes, channels: int) -> NDArray[np.uint8]:
    """A PNG or JPEG that `standard` gives to uint8 [its height, its width, channels].

    An embedded colour profile is not applied, except that grey is made of a PNG's colours in linear light if its
    gAMA or sRGB chunk gives their gamma, as libpng does. Raises what `standard` raises.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if channels == 1 and image.format in JPEG:
            image.draft("L", image.size)  # takes the luminance as it is stored
        if image.mode == "P":
            if not image.palette or not image.palette.getdata()[1]:
                raise ValueError("its palette is missing")
            image.info.pop("transparency", None)  # dropped, which Pillow would warn of
        if image.mode.startswith("I"):  # grey of 16 bits: the upper 8
            found = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)[..., np.newaxis]
        elif image.mode in ("1", "L", "LA"):
            found = np.asarray(image.convert("L"))[..., np.newaxis]
        else:
            found = np.asarray(image.convert("RGB"))
        gamma = SRGB_GAMMA if "srgb" in image.info else image.info.get("gamma")
    if found.shape[2] == channels:
        return found
    return _grey(found, gamma) if channels == 1 else np.repeat(found, channels, axis=2)


def _grey(pixels: NDArray[np.uint8], gamma: float | None) -> NDArray[np.uint8]:
    """RGB uint8 [height, width, 3] to grey [height, width, 1], as libpng's png_set_rgb_to_gray."""
    if gamma and abs(gamma - 1) > 0.05:
        linear = _power_table(1 / gamma)[pixels]
        mixed = _power_table(gamma)[(linear @ GREY + 16384) >> 15]
    else:
        mixed = (pixels.astype(np.uint32) @ GREY) >> 15
    is_grey = (pixels == pixels[..., :1]).all(axis=-1)
    return np.where(is_grey, pixels[..., 0], mixed).astype(np.uint8)[..., np.newaxis]


def _power_table(exponent: float) -> NDArray[np.uint32]:
    """value -> 255 (value / 255)^exponent, rounded, for the 256 values."""
    return np.floor(255 * (np.arange(256) / 255) ** exponent + 0.5).astype(np.uint32)


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """uint8 [h, w, channels] to [height, width, channels]: triangle filter, widened when an image shrinks."""
    rows = _resample(pixels.astype(np.float32), height)
    columns = _resample(rows.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.clip(np.rint(columns), 0, 255).astype(np.uint8)


def _resample(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """float32 [n, ...] to [size, ...].

    In float32 and summed in TensorFlow's order (its ScaleAndTranslate), so that ties round the same way.
    """
    one = np.float32(1)
    scale = one / (np.float32(size) / np.float32(len(values)))
    radius = max(scale, one)
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    first = np.clip(np.ceil(centres - radius - np.float32(0.5)).astype(int), 0, len(values) - 1)
    last = np.clip(np.floor(centres + radius - np.float32(0.5)).astype(int), 0, len(values) - 1)
    steps = [first + step for step in range(int((last - first).max()) + 1)]
    weights = []
    total = np.zeros(size, np.float32)
    for source in steps:
        distance = np.abs((source.astype(np.float32) + np.float32(0.5) - centres) * (one / radius))
        weights.append(np.where(source <= last, np.maximum(one - distance, np.float32(0)), np.float32(0)))
        total += weights[-1]
    result = np.zeros((size, *values.shape[1:]), np.float32)
    for source, weight in zip(steps, weights):  # noqa: B905 (`strict` is too new for many devices)
        share = (weight * (one / total)).reshape(-1, *[1] * (values.ndim - 1))
        result += values[np.minimum(source, len(values) - 1)] * share
    return result
