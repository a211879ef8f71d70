"""Compare a bundle, or a pushed version, with its manifest: names that stay inside, and SHA-256 digests.

A folder is on this machine or in a bucket (gs://). The clients of the modalities do the same without modelmill.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelmill.data.core import files

# Here and not in artifacts.py, which loads TFX: `modelmill predict` must not.
MANIFEST = "manifest.json"
# TensorFlow Serving takes it as the sign that a version can be loaded, so it is written last.
READY = "saved_model.pb"
# Files that one message names.
NAMED = 5


class DamagedError(ValueError):
    """A bundle, or a pushed version, is not what its manifest says; the message names the file and both digests."""


def parse(content: bytes, folder: str) -> dict[str, str]:
    """Return the SHA-256 of each file that a manifest lists, by name.

    Args:
      content: of the manifest.
      folder: where it lies, for the message.

    Raises:
      DamagedError: it is no manifest, or a name leads out of the folder.
    """
    try:
        manifest = json.loads(content)
        digests = {name: str(file["sha256"]) for name, file in manifest["files"].items()}
        used = _used(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(
            f"damaged: {MANIFEST} in {folder}: no manifest of a model; expected JSON with `files`, and the `sha256` of "
            f"each of them ({type(error).__name__}: {error})"
        ) from error
    for name, digest in digests.items():
        if not stays_inside(name):
            raise DamagedError(f"damaged: {MANIFEST} in {folder}: `files` names {name!r}, which is no path inside")
        if not digest.isalnum():
            raise DamagedError(f"damaged: {MANIFEST} in {folder}: the `sha256` of {name!r} is {digest!r}, no digest")
    for field, name in used.items():
        if not isinstance(name, str) or name not in digests:
            raise DamagedError(
                f"damaged: {MANIFEST} in {folder}: {field}: found {name!r}; allowed are the names in `files`"
            )
    return digests


def stays_inside(name: str) -> bool:
    """Return whether a relative path has no part that leads upwards, on any system, and is one line."""
    return name.isprintable() and not any(
        part in ("", ".", "..") or ":" in part for part in name.replace("\\", "/").split("/")
    )


def damages(folder: str, digests: dict[str, str]) -> list[str]:
    """Return a line for each file that is missing, lies elsewhere or has another content.

    Raises:
      OSError: a file is there and can't be read, which says nothing of its content.
    """
    found = []
    for name, wanted in digests.items():
        path = f"{folder}/{name}"
        if not files.is_file(path):
            found.append(f"{name}: expected SHA-256 {wanted}, found no such file")
        elif not files.inside(folder, name):
            found.append(f"{name}: a link that leads out of {folder}; expected a file with SHA-256 {wanted}")
        else:
            content = files.read(path)
            digest = hashlib.sha256(content).hexdigest()
            if digest != wanted:
                found.append(f"{name}: expected SHA-256 {wanted}, found {digest} ({len(content)} bytes)")
    return found


def summary(lines: list[str]) -> str:
    """Return the first lines of `damages` as one."""
    more = f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return "; ".join(lines[:NAMED]) + more


def unlisted(folder: Path, digests: dict[str, str]) -> list[str]:
    """Return the files of a local folder that its manifest does not list."""
    names = (Path(top, name).relative_to(folder).as_posix() for top, _, found in os.walk(folder) for name in found)
    return sorted(name for name in names if name not in digests and name != MANIFEST)


def in_order(digests: Iterable[str]) -> list[str]:
    """Return the names of a version's files as they are to be written: what says that it is ready comes last."""
    return [MANIFEST, *sorted(digests, key=lambda name: (name == READY, name))]


def copy(bundle: Path, target: Path, digests: dict[str, str]) -> None:
    """Copy the manifest and what it lists, and nothing else."""
    for name in in_order(digests):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / name, target / name)


def _used(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the names of files outside of `files`, by field."""
    found = {key: manifest.get(key) for key in ("labels", "client", "model_card")}
    found["flatbuffer.file"] = manifest.get("flatbuffer", {}).get("file")
    found["preprocessing.tokenizer"] = manifest.get("preprocessing", {}).get("tokenizer")
    return {field: name for field, name in found.items() if name is not None}
