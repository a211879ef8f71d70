"""Generated data of the golden experiments, where no sample that ships has the task and modality.

Integers only: sine and normal noise differ in their last bit between CPUs, and the transformed examples with them.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

SIZE = 12
SPLITS = {"train": 144, "eval": 64, "test": 64}
RATE, SAMPLES = 4000, 1600
HALF_PERIODS = {"low": 8, "middle": 4, "high": 2}  # of a square wave, in samples
INSTRUMENTS, TONES = 10, 40


def write(folder: Path) -> None:
    """Write all data sets, each into a folder of its own."""
    shapes(folder / "shapes")
    tones(folder / "tones")


def shapes(folder: Path) -> None:
    """Write grey images with one to three of: a bright row, a bright column, a bright block; and shapes.csv."""
    rows = []
    for split, count in SPLITS.items():
        (folder / split).mkdir(parents=True)
        for number in range(count):
            present = [label for bit, label in enumerate(("row", "column", "block")) if (number % 7 + 1) >> bit & 1]
            name = f"{split}/{number:03}.png"
            Image.fromarray(_image(present, random.Random(name))).save(folder / name)
            rows.append((name, "|".join(present), split))
    with open(folder / "shapes.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])


def _image(present: list[str], rng: random.Random) -> np.ndarray[Any, Any]:
    """Draw the shapes in noise: uint8 [12, 12]."""
    image = np.array([[rng.randint(40, 110) for _ in range(SIZE)] for _ in range(SIZE)], np.uint8)
    row, column = rng.randrange(SIZE - 4), rng.randrange(SIZE - 4)
    if "row" in present:
        image[rng.randrange(SIZE)] += 120
    if "column" in present:
        image[:, rng.randrange(SIZE)] = 220
    if "block" in present:
        image[row : row + 4, column : column + 4] = 200
    return image


def tones(folder: Path) -> None:
    """Write square waves of three pitches in noise as LABEL/INSTRUMENT_NUMBER.flac."""
    for label, half_period in HALF_PERIODS.items():
        (folder / label).mkdir(parents=True)
        for number in range(TONES):
            name = f"{label}/instrument{number % INSTRUMENTS}_{number}.flac"
            soundfile.write(folder / name, _tone(half_period, random.Random(name)), RATE, subtype="PCM_16")


def _tone(half_period: int, rng: random.Random) -> np.ndarray[Any, Any]:
    """Return a square wave that begins and ends somewhere: int16 [1600]."""
    begin, phase, loud = rng.randrange(SAMPLES // 2), rng.randrange(2 * half_period), rng.randint(2000, 8000)
    time = np.arange(SAMPLES)
    wave = np.where((time + phase) // half_period % 2, loud, -loud) * ((time >= begin) & (time < begin + SAMPLES // 2))
    return (wave + [rng.randint(-900, 900) for _ in time]).astype(np.int16)
