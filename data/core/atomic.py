"""Write files, folders and links of this machine whole or not at all: made under another name, then renamed.

The clients of the modalities and isolated_main.py of the load check stand alone: they do not use this.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8; one that stands there is replaced, and stays as it is if the writing fails.

    Raises:
      OSError: it can't be written there, or there is no such folder.
    """
    with staged(path) as staging:
        staging.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def staged(path: Path, name: str | None = None) -> Iterator[Path]:
    """Yield a path beside `path` at which the block makes a file, a folder or a link; then rename that to `path`.

    A file or a link that stands at `path` is replaced, a folder only if it is empty. If the block or the renaming
    fails, what was made is removed; a process that is killed leaves it.

    Args:
      path: what appears when the block ends.
      name: of the path beside, if a caller has to know it again; else hidden and unlike any other, so that several
        processes can write the same path at once.
    """
    staging = path.with_name(name or f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        yield staging
        os.replace(staging, path)
    finally:
        if staging.is_dir() and not staging.is_symlink():
            shutil.rmtree(staging, ignore_errors=True)
        else:
            staging.unlink(missing_ok=True)
