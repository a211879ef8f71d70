"""One run of an experiment at a time: two would take one another's checkpoints and versions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor


class BusyError(RuntimeError):
    """Another process runs the same experiment on the same root."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; the system lets go of it when the process ends, however it ends.

    Raises:
      BusyError: another process holds it; names its id.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # No soft lock where a file system has no real ones: a killed process would hold it for ever.
        acquired = FileLock(path, fallback_to_soft=False).acquire(blocking=False)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise BusyError(
            f"{path.parent.name} is already running there (process {holder}); "
            "wait for it, end it, or give another --root"
        ) from None
    with acquired:
        path.write_text(str(os.getpid()), encoding="utf-8")
        yield


def busy(path: Path) -> bool:
    """Return whether a process holds the lock file, also to those who may only read it."""
    # NFS locks only files that are open for writing.
    mode = "r+b" if os.access(path, os.W_OK) else "rb"
    try:
        with open(path, mode) as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:  # there is no such file, or it lies on NFS and may only be read
        return False
