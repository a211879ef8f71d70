"""What `modelmill new` writes for images: one folder of files a class."""

from __future__ import annotations

import math
from statistics import median

from modelmill.data.profiling import class_folders
from modelmill.data.profiling.draft import Asked, Draft
from modelmill.data.profiling.profile import Found

# The dense layer of the family cnn.
DENSE = 64
# Sides that pool well; more pixels than the last rarely pay on a small device.
SIDES = (8, 16, 24, 32, 48, 64, 96)


def draft(asked: Asked) -> Draft:
    """Draft an experiment. Raises NoProjectError."""
    return class_folders.draft(
        asked,
        class_folders.Writer(
            "cnn",
            "pictures",
            {"image": "bytes", "height": "int", "width": "int"},
            _data,
            """\
augment:
  # careful ranges; mirrored digits and letters would be others, so nothing is mirrored
  rotation: 10
  scale: 0.1
  crop: 0.1
  brightness: 0.1
  contrast: 0.2""",
            _model,
        ),
    )


def _side(found: Found) -> int:
    """Of the model's images."""
    tall, wide = median(found.numbers["height"]), median(found.numbers["width"])
    return max((one for one in SIDES if one <= max(tall, wide)), default=SIDES[0])


def _channels(found: Found) -> int:
    """1 if all images are grey, with or without transparency."""
    return 1 if set(found.numbers["channels"]) <= {1, 2} else 3


def _data(found: Found) -> str:
    tall, wide = int(median(found.numbers["height"])), int(median(found.numbers["width"]))
    told = "all images are grey" if _channels(found) == 1 else "there are colours"
    return f"""\
  height: {_side(found)}                # the middle image is {tall} x {wide}
  width: {_side(found)}
  channels: {_channels(found)}               # {told}"""


def _model(found: Found, asked: Asked) -> str:
    filters = _cnn_filters(_side(found), _channels(found), asked)
    return f"  filters: {filters}          # of each block; every block halves the {_side(found)} pixels\n"


def _cnn_filters(side: int, channels: int, asked: Asked) -> list[int]:
    """Of each block of a CNN: the widest whose int8 weights fit into the budget, roughly."""
    blocks = max(1, min(4, int(math.log2(side)) - 2))
    filters: list[int] = []
    for width in (32, 24, 16, 12, 8, 6, 4):
        filters = [min(width * 2**block, 4 * width) for block in range(blocks)]
        kernels = sum(9 * before * after for before, after in zip([channels, *filters], filters, strict=False))
        if asked.fits(kernels + (side // 2**blocks) ** 2 * filters[-1] * DENSE):
            break
    return filters
