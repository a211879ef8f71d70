"""One run of an experiment at a time: two would take one another's checkpoints and versions."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class BusyError(RuntimeError):
    """Another process runs the same experiment on the same root."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; the system lets go of it when the process ends, however it ends.

    Raises:
      BusyError: another process holds it; names its id.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise BusyError(
                f"{path.parent.name} is already running there (process {holder}); "
                "wait for it, end it, or give another --root"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def busy(path: Path) -> bool:
    """Whether a process holds the lock file."""
    if not path.exists():
        return False
    with open(path, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
