"""Small pictures that are part of a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96
# Up to here every pixel is shown as it is; larger ones are made smaller, and JPEG.
PIXELS = 48


def encoded(content: bytes) -> str | None:
    """The bytes of a PNG or JPEG file as a small data URI."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            image.draft("RGB", (SIDE * 2, SIDE * 2))  # JPEG: decodes no more than is needed
            image.info.pop("transparency", None)  # the model does not see it, and Pillow would warn of each file
            return data_uri(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None


def pixels(array: Any) -> str:
    """uint8 [height, width, channels] as a data URI."""
    from PIL import Image

    return data_uri(Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array))


def data_uri(image: Image) -> str:
    """An image, made small, as a data URI."""
    buffer = io.BytesIO()
    if max(image.size) <= PIXELS:
        image.save(buffer, "PNG", optimize=True)
        return _uri("png", buffer)
    image.thumbnail((SIDE, SIDE))
    image.save(buffer, "JPEG", quality=82)
    return _uri("jpeg", buffer)


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
