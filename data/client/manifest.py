"""Read manifest.json and the files that it names; each is compared with its digest first."""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from pathlib import Path
from typing import Any

from . import fields

NAME = "manifest.json"
# What the runtime reads of a manifest; `preprocessing` is the modality's, see its FIELDS.
FIELDS: dict[str, Any] = {
    "files": dict,
    "flatbuffer": {"input": {"dtype": str, "shape": [int]}, "output": {"name": str}},
    "labels": str,
    "saved_model": {"outputs": dict},
}


class DamagedError(ValueError):
    """A file of the pushed model is not what its manifest says; the message names it."""


def read(folder: Path, preprocessing: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a pushed model.

    Args:
      folder: of the model.
      preprocessing: a template of the section of this name, see fields.py.

    Raises:
      DamagedError: it is missing, no JSON, or one of its fields is not what a client needs.
    """
    path = folder / NAME
    if not path.is_file():
        raise DamagedError(f"damaged: {NAME}: there is no such file in {folder}")
    try:
        found = json.loads(path.read_bytes().decode())
    except OSError as error:
        raise DamagedError(f"damaged: {NAME}: it can't be read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"damaged: {NAME}: it is no JSON ({error})") from error
    manifest: dict[str, Any] = found if isinstance(found, dict) else {}
    wrong = fields.problem(manifest, {**FIELDS, "preprocessing": preprocessing})
    if wrong:
        raise DamagedError(f"damaged: {NAME}: {wrong}")
    return manifest


def verified(folder: Path, manifest: dict[str, Any], name: Any) -> Path:
    """Return the path of a file that a manifest names, after its digest was compared.

    Raises:
      DamagedError: the name leads out of the folder, or the file has another content than the manifest says.
    """
    parts = re.split(r"[/\\]", name) if isinstance(name, str) and name.isprintable() else [""]
    if any(part in ("", ".", "..") or ":" in part for part in parts):
        raise DamagedError(f"damaged: {NAME}: it names {name!r}; expected a path inside of its folder")
    path = folder / name
    try:
        if not path.is_file():
            raise DamagedError(f"damaged: {name}: there is no such file in {folder}")
        if folder.resolve() not in path.resolve().parents:
            raise DamagedError(f"damaged: {name}: a link that leads out of {folder}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DamagedError(f"damaged: {name}: it can't be read ({error})") from error
    listed = manifest["files"].get(name)
    wanted = listed.get("sha256") if isinstance(listed, dict) else None
    if found != wanted:
        listed = wanted if isinstance(wanted, str) and wanted.isalnum() else reprlib.repr(wanted)
        raise DamagedError(
            f"damaged: {name}: expected SHA-256 {listed}, as {NAME} says, found {found}; copy the version here "
            "again, or push the model again"
        )
    return path
