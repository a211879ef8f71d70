"""How far something that is fetched has come: the bytes that have arrived in the folder to which it is written.

Whoever fetches (uv, pip, the hub's client) has a way of its own to show that, or none; all of them write files.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

# Takes the number of bytes so far.
Tell = Callable[[int], None]
EVERY = 0.5


@contextlib.contextmanager
def told(folder: Path, tell: Tell | None, every: float = EVERY) -> Iterator[None]:
    """Calls `tell` each `every` seconds while the context lasts, if there is anything new, and at its end.

    Args: folder: by how much it has grown is what is told; it need not exist yet.
    """
    if tell is None:
        yield
        return
    before, done = _bytes(folder), threading.Event()

    def watch() -> None:
        last = 0
        while not done.wait(every):
            now = _bytes(folder) - before
            if now > last:
                last = now
                tell(now)

    thread = threading.Thread(target=watch, name="arriving", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    tell(max(0, _bytes(folder) - before))


def _bytes(folder: Path) -> int:
    """Of all files below it; those that are gone in the meantime count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
