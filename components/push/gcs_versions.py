"""Numbered versions in an object store (gs://), where nothing can be renamed or locked.

The manifest comes first and claims the number; it names every file, so that a version is whole when all of them are
there. saved_model.pb comes last, because TensorFlow Serving takes it as the sign that a version can be loaded.
"""

from __future__ import annotations

import re
from pathlib import Path

from modelmill.components import integrity
from modelmill.components.push import damaged_versions
from modelmill.data.core import files


def push(bundle: Path, destination: str, manifest: str) -> tuple[int, bool]:
    """Copy a bundle into a new version, unless its model is there already, whole.

    A push that was killed is gone on with by the next of the same model; another model gets a new number. A version
    that is damaged stays as it is, and the bundle gets the next number.

    Args:
      bundle: a folder of files.
      destination: URI of the folder of the versions.
      manifest: the name of the bundle's file that describes it: the same content, the same model.

    Returns:
      The number of the version, and whether it is new.

    Raises:
      DamagedError: the bundle, or what was written of it, is not what the manifest says.
      RuntimeError: another push has taken the same number at the same moment; another try gets the next one.
    """
    content = (bundle / manifest).read_bytes()
    digests = damaged_versions.refuse(bundle, content)
    numbers = [int(name) for name in files.names(destination) if re.fullmatch("[1-9][0-9]*", name)]
    number = max(numbers, default=0) + 1
    for found in sorted(numbers, reverse=True):
        version = f"{destination}/{found}"
        if _read(f"{version}/{manifest}") != content:
            continue
        damaged = integrity.damages(version, digests)
        if not damaged:
            return found, False
        if _is_begun(version, digests):
            number = found
        else:
            damaged_versions.warn(version, damaged)
        break
    _write(bundle, f"{destination}/{number}", digests)
    if _read(f"{destination}/{number}/{manifest}") != content:
        raise RuntimeError(
            f"another push took {destination}/{number} at the same moment; try again, and push one model at a time"
        )
    return number, True


def _is_begun(version: str, digests: dict[str, str]) -> bool:
    """Return whether a version is one that a killed push has begun: no file is damaged, and the last is not there."""
    there = {name: digest for name, digest in digests.items() if files.is_file(f"{version}/{name}")}
    return integrity.READY not in there and not integrity.damages(version, there)


def _write(bundle: Path, version: str, digests: dict[str, str]) -> None:
    """Write what is not there yet, and read it again before the last file says that the version can be loaded."""
    for name in integrity.in_order(digests):
        if name == integrity.READY:
            _compare(version, {other: digest for other, digest in digests.items() if other != name})
        wanted = (bundle / name).read_bytes()
        if _read(f"{version}/{name}") != wanted:
            files.write(f"{version}/{name}", wanted)
    _compare(version, {name: digest for name, digest in digests.items() if name == integrity.READY})


def _compare(version: str, digests: dict[str, str]) -> None:
    damaged = integrity.damages(version, digests)
    if damaged:
        raise integrity.DamagedError(
            f"damaged while it was written: {integrity.summary(damaged)}; in {version}; push again, which writes the "
            "next version"
        )


def _read(path: str) -> bytes | None:
    """None if there is no such file; what stands in the way of reading one is an error."""
    return files.read(path) if files.is_file(path) else None
