"""Numbered versions in an object store (gs://), where nothing can be renamed or locked.

The manifest comes first and claims the number; it names every file, so that a version is whole when all of them are
there. saved_model.pb comes last, because TensorFlow Serving takes it as the sign that a version can be loaded.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from data import files

READY = "saved_model.pb"


def push(bundle: Path, destination: str, manifest: str) -> tuple[int, bool]:
    """Copies a bundle into a new version, unless its model is there already.

    A push that was killed is gone on with by the next of the same model; another model gets a new number.

    Args:
      bundle: a folder of files.
      destination: URI of the folder of the versions.
      manifest: the name of the bundle's file that describes it: the same content, the same model.

    Returns:
      The number of the version, and whether it is new.

    Raises:
      RuntimeError: another push has taken the same number at the same moment; another try gets the next one.
    """
    content = (bundle / manifest).read_bytes()
    numbers = [int(name) for name in files.names(destination) if re.fullmatch("[1-9][0-9]*", name)]
    number = max(numbers, default=0) + 1
    for found in sorted(numbers, reverse=True):
        if _read(f"{destination}/{found}/{manifest}") == content:
            if _whole(f"{destination}/{found}", content):
                return found, False
            number = found
            break
    version = f"{destination}/{number}"
    names = [path.relative_to(bundle).as_posix() for path in sorted(bundle.rglob("*")) if path.is_file()]
    for name in sorted(names, key=lambda name: (name == READY, name != manifest)):
        wanted = (bundle / name).read_bytes()
        if _read(f"{version}/{name}") != wanted:
            files.write(f"{version}/{name}", wanted)
    if _read(f"{version}/{manifest}") != content:
        raise RuntimeError(f"another push took {version} at the same moment; try again, and push one model at a time")
    return number, True


def _whole(version: str, manifest: bytes) -> bool:
    """Whether no file is missing or cut."""
    listed = json.loads(manifest)["files"]
    return all(files.state(f"{version}/{name}")[0] == file["bytes"] for name, file in listed.items())


def _read(path: str) -> bytes | None:
    """None if there is no such file; what stands in the way of reading one is an error."""
    return files.read(path) if files.is_file(path) else None
