"""Where trials lie, and what each of them leaves there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from modelmill.components.artifacts import TRIAL_FILE
from modelmill.data.core import progress, subprocess_job
from modelmill.data.core.atomic import write_atomically

# What a trial came to but for its latency, which is measured when nothing else runs; TRIAL_FILE is the whole.
MADE_FILE = "made.json"
FAILED_FILE = "failed.json"
# The reasons for which the machine has ended a trial, until it is made.
ENDED_FILE = "ended.json"
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


def end(folder: Path, label: str, reason: str, crashed: bool) -> None:
    """Record that the machine has ended a trial: it is to be tried once more, alone.

    A crash may be the converter's own: twice in a row it is a failure of the trial.

    Args:
      folder: of the trial.
      label: of its chain.
      reason, crashed: as in subprocess_job.MachineError.

    Raises:
      MachineError: it is the second time.
    """
    ended = [*(read(folder / ENDED_FILE) or []), {"reason": reason, "crashed": crashed}]
    write(folder / ENDED_FILE, ended)
    if len(ended) == 1:
        progress.note(f"trial {label} was ended ({reason}); it is tried once more, alone")
    elif all(one["crashed"] for one in ended):
        fail(folder, reason)
    else:
        raise subprocess_job.MachineError(f"trial {label} was ended twice, the second time it was alone: {reason}")


def is_ended(folder: Path) -> bool:
    """Return whether the machine has ended a trial that is still to be made."""
    return (folder / ENDED_FILE).exists() and not is_done(folder)


def is_hopeless(folder: Path) -> bool:
    """Return whether the machine has ended a trial twice."""
    return is_ended(folder) and len(read(folder / ENDED_FILE)) > 1


def forget(root: Path) -> None:
    """Let each trial below a folder begin anew that the machine has ended in an earlier run."""
    for path in root.glob(f"*/{ENDED_FILE}"):
        path.unlink()


def write(path: Path, content: Any) -> None:
    """JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=1))


def read(path: Path) -> Any:
    """JSON; None if there is no such file."""
    return json.loads(path.read_text()) if path.exists() else None
