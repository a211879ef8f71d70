"""A folder of numbered versions: 1, 2, 3, ... Each appears whole or not at all.

TensorFlow Serving watches such a folder and serves the highest number; names that are no number it leaves alone.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from filelock import FileLock

from modelmill.components import integrity
from modelmill.components.push import damaged_versions
from modelmill.data.core.atomic import staged

STAGING = ".staging-"
LOCK = ".lock"


def push(bundle: Path, destination: Path, manifest: str) -> tuple[int, bool]:
    """Copy a bundle into a new version, unless its model is there already, whole.

    The copy is made beside, reaches the disk, is compared with the manifest, and gets its number by one rename. What a
    killed push has left is removed. One push at a time works on a folder: others wait. A version that is damaged stays
    as it is, and the bundle gets the next number.

    Args:
      bundle: a folder of files.
      destination: the folder of the versions; made if absent.
      manifest: the name of the bundle's file that describes it: the same content, the same model.

    Returns:
      The number of the version, and whether it is new.

    Raises:
      DamagedError: the bundle, or the copy of it, is not what the manifest says.
    """
    content = (bundle / manifest).read_bytes()
    digests = damaged_versions.refuse(bundle, content)
    destination.mkdir(parents=True, exist_ok=True)
    _to_disk(destination.parent)
    # Held by one process at a time; the system lets go of it when the process ends, however it ends.
    with FileLock(destination / LOCK, fallback_to_soft=False):
        for leftover in destination.glob(f"{STAGING}*"):
            shutil.rmtree(leftover)
        numbers = _numbers(destination)
        standing = _standing(destination, numbers, manifest, content)
        if standing is not None:
            damaged = integrity.damages(str(destination / str(standing)), digests)
            if not damaged:
                return standing, False
            damaged_versions.warn(f"{destination}/{standing}", damaged)
        number = max(numbers, default=0) + 1
        with staged(destination / str(number), f"{STAGING}{number}-{os.getpid()}") as copy:
            integrity.copy(bundle, copy, digests)
            for folder, _, files in os.walk(copy):
                for file in files:
                    _to_disk(os.path.join(folder, file))
                _to_disk(folder)
            damaged_versions.refuse(copy, (copy / manifest).read_bytes(), content)
        _to_disk(destination)
        return number, True


def _numbers(destination: Path) -> list[int]:
    return [int(path.name) for path in destination.iterdir() if re.fullmatch("[1-9][0-9]*", path.name)]


def _standing(destination: Path, numbers: list[int], manifest: str, content: bytes) -> int | None:
    """Return the highest version with this manifest; a lower one is not what a server takes."""
    for number in sorted(numbers, reverse=True):
        copy = destination / str(number) / manifest
        if copy.is_file() and copy.read_bytes() == content:
            return number
    return None


def _to_disk(path: str | Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
