"""The image modality reads what it should and refuses the rest."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.data.spec import BadExampleError

image = modality.look_up("image")

CONFIG = image.Config(path="somewhere", height=8, width=8, channels=1)


def encoded(mode: str, size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 7).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "channels"), [("L", "PNG", 1), ("RGB", "PNG", 3), ("L", "JPEG", 1), ("RGB", "JPEG", 3)]
)
def test_png_and_jpeg_grey_and_colour_are_examples(mode: str, kind: str, channels: int) -> None:
    content = encoded(mode, (5, 3), kind)
    (found,) = image.examples("cat/a.png", content, CONFIG)
    assert found == {
        "image": content,
        "height": 3,
        "width": 5,
        "channels": channels,
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def palette_png(colours: bytes | None, transparency: bytes = b"") -> bytes:
    """4 x 4 pixels of mode P, the first four colours of a palette; None: without one."""
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0))]
    parts += [] if colours is None else [chunk(b"PLTE", colours)]
    parts += [chunk(b"tRNS", transparency)] if transparency else []
    parts += [chunk(b"IDAT", zlib.compress(b"\0\0\1\2\3" * 4)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


RED_TO_TEAL = bytes([200, 10, 10, 150, 60, 60, 90, 90, 110, 0, 128, 128])
GREYS = bytes([7, 7, 7, 90, 90, 90, 91, 91, 91, 255, 255, 255])
PALETTES = {
    "colour": (palette_png(RED_TO_TEAL), 3),
    "one colour among greys": (palette_png(GREYS[:9] + bytes([255, 255, 254])), 3),
    "grey": (palette_png(GREYS), 1),
    "colour, transparent": (palette_png(RED_TO_TEAL, b"\0"), 3),
    "grey, transparent": (palette_png(GREYS, b"\0\x80"), 1),
}


@pytest.mark.parametrize(("content", "channels"), PALETTES.values(), ids=PALETTES)
def test_a_palette_has_the_channels_of_its_colours(content: bytes, channels: int) -> None:
    (found,) = image.examples("cat/a.png", content, CONFIG)
    assert found["channels"] == channels


def bomb() -> bytes:
    """A PNG that says it is 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


BAD = {
    "empty": b"",
    "text": b"no image",
    "truncated png": encoded("L", (40, 40), "PNG")[:70],
    "truncated jpeg": encoded("RGB", (90, 90), "JPEG")[:300],
    "ico": encoded("RGB", (16, 16), "ICO"),
    "bomb": bomb(),
    "no palette": palette_png(None),
    "empty palette": palette_png(b""),
    "palette that ends in a colour": palette_png(RED_TO_TEAL[:-1]),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_image_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(BadExampleError, match=r"cat/bad\.png"):
        list(image.examples("cat/bad.png", content, CONFIG))


def test_the_cap_on_pixels_is_the_experiments() -> None:
    content = encoded("L", (9, 8), "PNG")
    assert list(image.examples("cat/a.png", content, CONFIG))
    capped = image.Config(path="somewhere", height=8, width=8, max_pixels=71)
    with pytest.raises(BadExampleError, match=r"cat/a\.png: 9 x 8 pixels; data\.max_pixels allows 71 in all"):
        list(image.examples("cat/a.png", content, capped))
    with pytest.raises(BadExampleError, match=r"900000000 pixels.*data\.max_pixels allows 71"):
        list(image.examples("cat/bomb.png", bomb(), capped))


def test_an_unknown_modality_is_refused_with_the_near_match() -> None:
    with pytest.raises(plugins.UnknownNameError, match="did you mean 'image'"):
        modality.look_up("imag")
