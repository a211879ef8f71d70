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
from modelmill.data.spec import BadExampleError

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
    (example,) = image.examples("file", content, config)
    expected = image.decode(example["image"], config).numpy()
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


def drawing(mode: str = "RGB") -> Image.Image:
    """Different in its four quarters, so that turning it shows."""
    image = Image.fromarray(smooth_noise(40, 24, 3))
    image.paste((250, 20, 20), (0, 0, 12, 20))
    return image.convert(mode)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("WEBP", "RGB", {"lossless": True}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("BMP", "L", {}),
        ("BMP", "1", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "L", {}),
        ("TIFF", "CMYK", {}),
        ("JPEG", "CMYK", {"quality": 95}),
    ],
)
def test_other_formats_are_seen_as_they_are(
    format: str, mode: str, options: dict[str, object], channels: int, tmp_path: Path
) -> None:
    image = drawing(mode)
    content = encoded(image, format, **options)
    assert compare(content, channels, tmp_path).max() == 0
    seen = client.decode(tmp_path / "file", 3)
    np.testing.assert_allclose(seen, np.asarray(image.convert("RGB")), rtol=0, atol=8 if format == "JPEG" else 0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(format: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[client.ORIENTATION] = orientation
    content = encoded(drawing(), format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    assert compare(content, 3, tmp_path).max() <= (format == "JPEG")
    seen = client.decode(tmp_path / "file", 3)
    assert seen.shape == ((40, 24, 3) if orientation < 5 else (24, 40, 3))
    red = (seen[..., 0] > 200) & (seen[..., 1] < 90)
    halves = [red[:12].mean() > red[-12:].mean(), red[:, :12].mean() > red[:, -12:].mean()]
    corner = {1: (1, 1), 2: (1, 0), 3: (0, 0), 4: (0, 1), 5: (1, 1), 6: (1, 0), 7: (0, 0), 8: (0, 1)}[orientation]
    assert tuple(halves) == corner


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_a_shape_that_only_its_transparency_shows_is_seen_on_white(format: str, mode: str, tmp_path: Path) -> None:
    alpha = np.zeros((16, 16), np.uint8)
    alpha[4:12, 4:12] = 255
    image = Image.merge(mode, [Image.new("L", (16, 16))] * (len(mode) - 1) + [Image.fromarray(alpha)])
    assert compare(encoded(image, format, **({"lossless": True} if format == "WEBP" else {})), 3, tmp_path).max() == 0
    np.testing.assert_array_equal(client.decode(tmp_path / "file", 1)[..., 0], 255 - alpha)


def test_pictures_of_16_bits_that_are_mirror_images_are_not_the_same() -> None:
    image = modality.look_up("image")
    pixels = np.add.outer(np.arange(24), np.arange(24) ** 2).astype(np.uint16) * 80 + 9000
    found = [image.fingerprint({"image": encoded(one)}) for one in (pixels, np.ascontiguousarray(pixels[:, ::-1]))]
    assert found[0].key != found[1].key and np.abs(found[0].features - found[1].features).max() > 0.1


def test_of_several_pictures_the_first_is_taken(tmp_path: Path) -> None:
    others = [Image.new("RGB", (24, 40))] * 2
    for format in ("GIF", "TIFF", "MPO"):
        content = encoded(drawing("P" if format == "GIF" else "RGB"), format, save_all=True, append_images=others)
        for channels in (1, 3):
            assert compare(content, channels, tmp_path).max() == 0
        assert client.decode(tmp_path / "file", 3).mean() > 50


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        encoded(COLOURS)[:200],
        png_of(4, 3, 1),
        encoded(COLOURS, pnginfo=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000)))),
        encoded(Image.fromarray(COLOURS[..., 0].astype(np.float32)), "TIFF"),
        b"\0\0\0\x18ftypheic",
    ],
)
def test_what_is_no_image_is_named_by_training_and_by_the_client(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.png"
    file.write_bytes(content)
    with pytest.raises(client.NotAnImageError, match=r"broken\.png: no image that can be decoded .* can"):
        client.decode(file, 3)
    image = modality.look_up("image")
    with pytest.raises(BadExampleError, match=r"broken\.png: no image that can be decoded"):
        list(image.examples("broken.png", content, image.Config(path=".", height=4, width=4)))
