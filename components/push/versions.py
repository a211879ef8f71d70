"""A folder of numbered versions: 1, 2, 3, ... Each appears whole or not at all.

TensorFlow Serving watches such a folder and serves the highest number; names that are no number it leaves alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGING = ".staging-"
LOCK = ".lock"


def push(bundle: Path, destination: Path, manifest: str) -> tuple[int, bool]:
    """Copies a bundle into a new version, unless its model is there already.

    The copy is made beside, reaches the disk, and gets its number by one rename. What a killed push has left is
    removed. One push at a time works on a folder: others wait.

    Args:
      bundle: a folder of files.
      destination: the folder of the versions; made if absent.
      manifest: the name of the bundle's file that describes it: the same content, the same model.

    Returns:
      The number of the version, and whether it is new.
    """
    destination.mkdir(parents=True, exist_ok=True)
    with _lock(destination):
        for leftover in destination.glob(f"{STAGING}*"):
            shutil.rmtree(leftover)
        numbers = _numbers(destination)
        for number in sorted(numbers, reverse=True):
            if _holds(destination / str(number), bundle / manifest):
                return number, False
        number = max(numbers, default=0) + 1
        staging = destination / f"{STAGING}{number}-{os.getpid()}"
        shutil.copytree(bundle, staging)
        for folder, _, files in os.walk(staging):
            for file in files:
                _to_disk(os.path.join(folder, file))
            _to_disk(folder)
        os.rename(staging, destination / str(number))
        _to_disk(destination)
        return number, True


def _numbers(destination: Path) -> list[int]:
    return [int(path.name) for path in destination.iterdir() if re.fullmatch("[1-9][0-9]*", path.name)]


def _holds(version: Path, manifest: Path) -> bool:
    """Whether a version is what the manifest describes: it has the same one, and no file was lost or cut since."""
    copy = version / manifest.name
    if not copy.is_file() or copy.read_bytes() != manifest.read_bytes():
        return False
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return all(
        (version / name).is_file() and (version / name).stat().st_size == file["bytes"] for name, file in files.items()
    )


@contextmanager
def _lock(destination: Path) -> Iterator[None]:
    """Held by one process at a time; the system lets go of it when the process ends, however it ends."""
    with open(destination / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _to_disk(path: str | Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
