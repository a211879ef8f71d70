"""Files outside the experiment from which a family begins, such as trained weights; and a digest of their content."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tempfile
from pathlib import Path

from data import files

# PACKAGE:FILE is a file of an installed package; a single letter would be a drive.
_IN_PACKAGE = re.compile(r"([A-Za-z_][\w.]+):([^:]+)")


def is_local(name: str) -> bool:
    """Whether it is the path of a file: neither gs:// nor of a package."""
    return not files.is_remote(name) and not _IN_PACKAGE.fullmatch(name)


def locate(name: str) -> Path:
    """A path on this machine for a path, PACKAGE:FILE or gs://; what lies in a bucket is fetched. Imports no package.

    Raises:
      FileNotFoundError: there is nothing; the message says what would help.
    """
    if files.is_remote(name):
        return _fetched(name)
    inside = _IN_PACKAGE.fullmatch(name)
    if not inside:
        if not Path(name).exists():
            raise FileNotFoundError(f"there is nothing at {name}")
        return Path(name)
    package, file = inside.groups()
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{name}: the package {package} is not installed")
    for folder in spec.submodule_search_locations:
        if Path(folder, file).exists():
            return Path(folder, file)
    raise FileNotFoundError(f"{name}: the package {package} has no file {file}")


def digest(names: dict[str, str]) -> str:
    """Of the content of files and folders, by the fields that name them; '' if there are none.

    What lies in a bucket counts by its name, size and time: it is read where the model is trained.
    """
    if not names:
        return ""
    total = hashlib.sha256()
    for field, name in sorted(names.items()):
        total.update(f"{field}\0".encode())
        if files.is_remote(name):
            total.update(f"{name}\0{files.state(name)}".encode())
            continue
        path = locate(name)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                total.update(f"{file.relative_to(path)}\0".encode())
                with file.open("rb") as content:
                    total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()[:16]


def _fetched(name: str) -> Path:
    """A copy of a file in a bucket; it is named like it, for readers go by the suffix."""
    try:
        content = files.read(name)
    except OSError as error:
        raise FileNotFoundError(f"{name}: {error}") from error
    path = Path(tempfile.mkdtemp(prefix="modelmill-"), name.rsplit("/", 1)[-1])
    path.write_bytes(content)
    return path
