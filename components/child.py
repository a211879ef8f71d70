"""Work in a process of its own: for what an abort of must not end the run, or what needs a fresh TensorFlow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from components import heap


class ChildError(RuntimeError):
    """A child process failed; the message is its own last word."""


def run(module: str, job: dict[str, Any]) -> None:
    """Runs `python -m module FILE`, FILE holding the job as JSON; its output goes to ours when it ends.

    Raises:
      ChildError: the child ended with an error or by a signal.
    """
    with tempfile.TemporaryDirectory(prefix="modelmill-") as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(job))
        command = [sys.executable, "-m", module, str(path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    sys.stderr.write(done.stdout + done.stderr)
    if done.returncode:
        raise ChildError(last_word(done.returncode, done.stderr))


def job(arguments: list[str]) -> dict[str, Any]:
    """In the child: the job that `run` handed over. TensorFlow is loaded, which all children's work needs."""
    with heap.settled():
        import tf_keras  # noqa: F401
    content: dict[str, Any] = json.loads(Path(arguments[1]).read_text())
    return content


def last_word(code: int, stderr: str = "") -> str:
    """What a process ended of: the signal, or the exception that it told of."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}" + (
            f"; last it said: {lines[-1]}" if lines else ""
        )
    # The exception's own text may have several lines: all that stands behind the last line of the traceback.
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        tail = [line for line in lines[starts[-1] + 1 :] if not line.startswith(" ")]
        if tail:
            return " ".join(tail[:5])
    return lines[-1] if lines else f"the process ended with exit code {code} and said nothing"
