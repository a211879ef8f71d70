"""The reference client sees the pixels that the model was trained on: the same as TensorFlow's, file by file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from modelmill.data import modality
from modelmill.data.modalities.image import client

SIZES = {"up": (13, 9), "down": (64, 50), "far down": (301, 173), "mixed": (11, 90), "as it is": (24, 20)}


def smooth_noise(height: int, width: int, channels: int) -> np.ndarray:
    """Something like a photograph: noise on slopes, all values from 0 to 255."""
    random = np.random.default_rng(height * width + channels)
    slopes = np.add.outer(np.linspace(0, 200, height), np.linspace(0, 55, width))[..., None]
    pixels = slopes + random.normal(0, 25, (height, width, channels))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray | Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.squeeze())
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add(name, content)
    return info


def png_of(depth: int, colour_type: int, samples: int, palette: bytes = b"") -> bytes:
    """A PNG in a layout that Pillow reads but does not write; its pixels are noise."""

    def part(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    random = np.random.default_rng(depth)
    rows = b"".join(b"\0" + random.bytes(16 * depth * samples // 8) for _ in range(16))
    header = part(b"IHDR", struct.pack(">IIBBBBB", 16, 16, depth, colour_type, 0, 0, 0))
    header += part(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


COLOURS = smooth_noise(40, 30, 3)
ODD = {
    "rgba": encoded(smooth_noise(30, 40, 4)),
    "grey and alpha": encoded(smooth_noise(30, 40, 2)),
    "16 bit grey": encoded(smooth_noise(30, 40, 1).astype(np.uint16) * 257 + 77),
    "16 bit grey and alpha": png_of(16, 4, 2),
    "2 bit grey": png_of(2, 0, 1),
    "4 bit grey": png_of(4, 0, 1),
    "black and white": encoded(Image.fromarray(COLOURS).convert("1")),
    "palette": encoded(Image.fromarray(COLOURS).quantize(16)),
    "palette, transparent": encoded(Image.fromarray(COLOURS).quantize(16), transparency=3),
    "palette, half transparent": encoded(Image.fromarray(COLOURS).quantize(16), transparency=bytes(range(0, 160, 10))),
    "palette of greys": encoded(Image.fromarray(COLOURS).convert("L").quantize(16)),
    "palette of two colours": encoded(Image.fromarray(COLOURS).quantize(2)),
    "palette, sRGB": encoded(Image.fromarray(COLOURS).quantize(16), pnginfo=chunk(b"sRGB", b"\0")),
    "palette, gamma 0.6": encoded(
        Image.fromarray(COLOURS).quantize(16), pnginfo=chunk(b"gAMA", struct.pack(">I", 60000))
    ),
    "palette that lacks colours": png_of(4, 3, 1, bytes(range(100, 130))),
    "interlaced": encoded(COLOURS, interlace=True),
    "sRGB": encoded(COLOURS, pnginfo=chunk(b"sRGB", b"\0")),
    "gamma 0.6": encoded(COLOURS, pnginfo=chunk(b"gAMA", struct.pack(">I", 60000))),
    "gamma 0.97": encoded(COLOURS, pnginfo=chunk(b"gAMA", struct.pack(">I", 97000))),
    "jpeg": encoded(smooth_noise(61, 83, 3), "JPEG", quality=75),
    "jpeg 4:4:4": encoded(smooth_noise(61, 83, 3), "JPEG", quality=95, subsampling=0),
    "jpeg 4:2:2": encoded(smooth_noise(60, 82, 3), "JPEG", quality=40, subsampling=1),
    "progressive jpeg": encoded(smooth_noise(61, 83, 3), "JPEG", progressive=True),
    "grey jpeg": encoded(smooth_noise(61, 83, 1), "JPEG"),
}


def compare(content: bytes, channels: int, folder: Path, height: int = 24, width: int = 20) -> np.ndarray:
    """Difference, pixel by pixel, of what the client and what the pipeline make of one file."""
    file = folder / "file"
    file.write_bytes(content)
    image = modality.look_up("image")
    config = image.Config(path=".", height=height, width=width, channels=channels)
    expected = image.decode(content, config).numpy()
    found = client.preprocess(file, height, width, channels)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    return np.abs(found.astype(int) - expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_png_gives_the_same_pixels(size: str, channels: int, tmp_path: Path) -> None:
    difference = compare(encoded(smooth_noise(*SIZES[size], channels)), channels, tmp_path)
    assert difference.max() == 0


def test_large_png_gives_the_same_pixels(tmp_path: Path) -> None:
    difference = compare(encoded(smooth_noise(700, 900, 3)), 3, tmp_path, 224, 224)
    assert difference.max() == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ODD)
def test_other_layouts_give_the_same_pixels(name: str, channels: int, tmp_path: Path) -> None:
    difference = compare(ODD[name], channels, tmp_path)
    # JPEG is decoded by two builds of libjpeg-turbo: the same here, one apart is within the standard.
    assert difference.max() <= ("jpeg" in name)


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_colours_are_nearly_the_same(channels: int, tmp_path: Path) -> None:
    # Pillow cuts them to 8 bits before grey is made of them, libpng afterwards.
    assert compare(png_of(16, 2, 3), channels, tmp_path).max() <= (2 if channels == 1 else 0)


@pytest.mark.parametrize(
    "content", [b"", b"no image", encoded(COLOURS)[:200], encoded(COLOURS, "GIF"), png_of(4, 3, 1)]
)
def test_what_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.png"
    file.write_bytes(content)
    with pytest.raises(client.NotAnImageError, match=r"broken\.png: no PNG or JPEG"):
        client.decode(file, 3)
