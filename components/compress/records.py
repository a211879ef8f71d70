"""Where trials lie, and what each of them leaves there."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from components.artifacts import TRIAL_FILE

# What a trial came to but for its latency, which is measured when nothing else runs; TRIAL_FILE is the whole.
MADE_FILE = "made.json"
FAILED_FILE = "failed.json"
TRIALS = "trials"


def folder(root: Path, work: dict[str, Any], chain: list[dict[str, Any]]) -> Path:
    """Where a trial lies: the same work and chain, the same folder."""
    return root / hashlib.sha256(json.dumps([work, chain], sort_keys=True).encode()).hexdigest()[:16]


def is_made(folder: Path) -> bool:
    """Whether a trial has come to a result, be it without its latency or a failure."""
    return any((folder / name).exists() for name in (MADE_FILE, TRIAL_FILE, FAILED_FILE))


def is_done(folder: Path) -> bool:
    """Whether nothing of a trial is left to do."""
    return any((folder / name).exists() for name in (TRIAL_FILE, FAILED_FILE))


def fail(folder: Path, reason: str) -> None:
    """Records that a trial has failed."""
    write(folder / FAILED_FILE, {"reason": reason})


def write(path: Path, content: Any) -> None:
    """JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.new")
    staging.write_text(json.dumps(content, indent=1))
    os.replace(staging, path)


def read(path: Path) -> Any:
    """JSON; None if there is no such file."""
    return json.loads(path.read_text()) if path.exists() else None
