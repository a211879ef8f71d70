"""What an example looks like from afar: a fingerprint that small changes leave as it is, and a few rough features.

For `modelmill check`, which looks for examples that are nearly the same and for labels that the others contradict. It
needs no model and no TensorFlow; a modality of one's own has neither, and is compared by its content alone.
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data.spec import CONTENT, DECIDES, LABEL, PATH

# Of a thumbnail; parts of a sound or a series; bands of a sound.
SIDE, PARTS, BANDS = 12, 16, 16
KNOWN = (LABEL, PATH, CONTENT, DECIDES)


@dataclass(frozen=True)
class Look:
    """Of one example.

    Attributes:
      fingerprint: equal for examples that look the same; None if that is not told.
      features: a text, numbers, or named numbers and words.
    """

    fingerprint: str | None
    features: str | NDArray[np.float32] | dict[str, float | str]


def look(example: Mapping[str, Any], kind: str) -> Look | None:
    """What a raw example looks like; None if nothing is known of the modality."""
    return LOOKS[kind](example) if kind in LOOKS else None


def _image(example: Mapping[str, Any]) -> Look:
    """The fingerprint: whether each of 16 x 16 pixels is lighter than its left neighbour (a difference hash)."""
    from PIL import Image

    with Image.open(io.BytesIO(bytes(example["image"]))) as image:
        image.info.pop("transparency", None)  # the model does not see it, and Pillow would warn of each file
        grey = np.asarray(image.convert("L").resize((17, 16), Image.Resampling.BILINEAR), np.int16)
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return Look(_bits(np.diff(grey, axis=1)), np.asarray(small, np.float32).ravel() / np.float32(255))


def _audio(example: Mapping[str, Any]) -> Look:
    """Energies of bands in parts of the sound; the fingerprint: which band gets louder from part to part."""
    with wave.open(io.BytesIO(bytes(example["audio"]))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    samples = np.pad(samples, (0, max(0, PARTS * 64 - len(samples))))
    spectra = [np.abs(np.fft.rfft(part)) ** 2 for part in np.array_split(samples, PARTS)]
    edges = np.geomspace(1, min(len(one) for one in spectra), BANDS + 1).astype(int)
    energies = np.log1p([[one[low : max(high, low + 1)].mean() for low, high in _pairs(edges)] for one in spectra])
    energies = energies - energies.max()  # as loud as another recording of the same
    return Look(_bits(np.diff(np.round(energies, 1), axis=0)), energies.astype(np.float32).ravel())


def _text(example: Mapping[str, Any]) -> Look:
    """The fingerprint: the words alone, whatever is between them."""
    text = example["text"].decode() if isinstance(example["text"], bytes) else str(example["text"])
    return Look(" ".join(re.findall(r"\w+", text.lower())) or None, text)


def _row(example: Mapping[str, Any]) -> Look:
    """Equal rows are found by their content."""
    return Look(None, {key: value for key, value in example.items() if key not in (*KNOWN, "row")})


def _series(example: Mapping[str, Any]) -> Look:
    """Each channel's means over some parts, and how long the series is."""
    steps = [[float(cell or "nan") for cell in line.split(",")] for line in str(example["series"]).split("\n")]
    table = np.nan_to_num(np.array(steps, np.float32))
    places = np.linspace(0, len(table) - 1, PARTS).round().astype(int)
    return Look(None, np.append(table[places].ravel(), np.float32(len(table))))


def _bits(differences: NDArray[Any]) -> str:
    return np.packbits(differences > 0).tobytes().hex()


def _pairs(edges: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


LOOKS: dict[str, Callable[[Mapping[str, Any]], Look]] = {
    "image": _image,
    "audio": _audio,
    "text": _text,
    "tabular": _row,
    "series": _series,
}
