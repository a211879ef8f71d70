"""How nodes tell what they are doing: JSON lines in a file that the runner names and shows.

A file, because nodes also work in child processes; an environment variable, because what is shown must not be part
of a cache key. Without the variable nothing is written.
"""

from __future__ import annotations

import json
import os
from typing import Any

ENV = "MODELMILL_PROGRESS"


def emit(event: str, **fields: Any) -> None:
    """Appends one event."""
    path = os.environ.get(ENV)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **fields}) + "\n")


def bar(name: str, done: int, total: int, info: str = "") -> None:
    """`done` of `total` steps of the work called `name`; `info` is shown behind the bar."""
    emit("bar", name=name, done=done, total=total, info=info)


def note(text: str) -> None:
    """One line that a person should see."""
    emit("note", text=text)
