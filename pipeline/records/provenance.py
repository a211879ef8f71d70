"""run.json: what a person types to do it again, and with which versions and source it was done."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

VERSIONS = ("modelmill", "tensorflow", "tfx", "tensorflow-model-optimization", "ai-edge-litert")
SECONDS = 5


def write(path: Path, command: list[str]) -> None:
    """Writes it, at the beginning of a run."""
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONS}}
    content: dict[str, Any] = {"command": shlex.join(command), "versions": versions, "machine": platform.platform()}
    path.write_text(json.dumps(content | _source(), indent=1) + "\n", encoding="utf-8")


def _source() -> dict[str, Any]:
    """The commit of modelmill's own source, if it lies in a git checkout."""
    home = Path(__file__).resolve().parent.parent.parent
    if not (home / ".git").exists():
        return {}
    commit = _git(home, "rev-parse", "HEAD")
    return {"commit": commit, "changed": bool(_git(home, "status", "--porcelain", "-uno"))} if commit else {}


def _git(home: Path, *arguments: str) -> str:
    """What git answers; "" if there is none, or it will not."""
    try:
        done = subprocess.run(
            ["git", "-C", home, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
