"""Looks at a folder of data before anything is run: counts, sizes, and what is odd. Free of TensorFlow."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from data import listing, modality, raw
from data.config import DataConfig, SplitConfig
from data.listing import shown
from data.modality import BadExampleError

Pair = tuple[str, str]


@dataclass
class Found:
    """What lies in a folder.

    Attributes:
      classes: examples of each.
      bytes: of all files that can be read.
      unreadable: file and reason.
      equal: pairs of files of one class with the same content.
      contradictory: pairs of files of different classes with the same content.
      alike: pairs of files of different classes that look the same: suspects of a wrong label.
      numbers: of each feature that is a number, such as height or seconds, its values.
    """

    classes: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    unreadable: list[Pair] = field(default_factory=list)
    equal: list[Pair] = field(default_factory=list)
    contradictory: list[Pair] = field(default_factory=list)
    alike: list[Pair] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def examples(self) -> int:
        """All that can be read."""
        return sum(self.classes.values())

    @property
    def imbalance(self) -> float:
        """How many times larger the largest class is than the smallest."""
        return max(self.classes.values(), default=1) / min(self.classes.values(), default=1)


def look(folder: Path, config: DataConfig, split: SplitConfig) -> Found:
    """Reads every file that the run would read.

    Args:
      folder: of the data.
      config: names the modality, and a CSV if there is one.
      split: how splits are made.

    Raises:
      UnknownNameError: there is no such modality.
      BadDataError: the CSV or the folders are of no use.
    """
    found = Found()
    contents: dict[str, Pair] = {}
    shapes: dict[int, list[Pair]] = defaultdict(list)
    for row in listing.list_files(str(folder), modality.pattern(config), config, split).rows:
        name = shown(row.path)
        try:
            examples = list(raw.examples(str(folder), row, config))
        except BadExampleError as error:
            found.unreadable.append((name, str(error).removeprefix(f"{name}: ")))
            continue
        found.bytes += (folder / row.path).stat().st_size
        for example in examples:
            label, name = str(example[modality.LABEL]), shown(str(example[modality.PATH]))
            found.classes[label] += 1
            for key, value in example.items():
                if isinstance(value, (int, float)) and key != modality.LABEL:
                    found.numbers[key].append(value)
            digest = str(example[modality.CONTENT])
            if digest in contents:
                same, other = contents[digest]
                (found.equal if same == label else found.contradictory).append((other, name))
                continue
            contents[digest] = (label, name)
            if config.modality == "image":
                shapes[_difference_hash(bytes(example["image"]))].append((label, name))
    found.alike = [pair for alike in shapes.values() for pair in _across_classes(alike)]
    return found


def _across_classes(alike: list[Pair]) -> list[Pair]:
    """The first file of each class with the first of another; many alike only mean that they are nearly empty."""
    first = {label: name for label, name in reversed(alike)}
    names = sorted(first.values())
    return [(names[0], other) for other in names[1:]] if len(first) > 1 and len(alike) <= 8 else []


def _difference_hash(content: bytes) -> int:
    """Whether each of 16 x 16 pixels is lighter than its left neighbour: the same for small changes of an image."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        pixels = image.convert("L").resize((17, 16), Image.Resampling.BILINEAR).tobytes()
    bits = 0
    for row in range(16):
        for place in range(row * 17, row * 17 + 16):
            bits = bits * 2 + (pixels[place] < pixels[place + 1])
    return bits
