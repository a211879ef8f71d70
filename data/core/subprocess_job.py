"""Work in a process of its own: for what an abort of must not end the run, or what needs a fresh TensorFlow."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The exit code of a program whose machine failed it: EX_TEMPFAIL of sysexits.h.
TEMPORARY = 75
# What the system answers when it has no more of something, or can't read or write for now.
# components/load_check/isolated_main.py, which must stand alone, has a copy.
PASSING = frozenset(
    getattr(errno, name)
    for name in ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE", "ENOMEM", "EAGAIN", "EMFILE", "ENFILE"]
)
# Signals that a process brings on itself. SIGBUS is not among them: a full disk gives it to who writes to mapped files.
CRASHES = frozenset((signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP))


# How each MachineError goes on.
NOTHING = "This says nothing of the model, so no result is kept"


class ChildError(RuntimeError):
    """A child process failed; the message is its own last word."""


class MachineError(ChildError):
    """The machine ended a process, or had no memory or disk space for it: this says nothing of the work.

    Args:
      reason: what happened.
      crashed: it was a signal that a process also brings on itself, such as SIGSEGV.
    """

    def __init__(self, reason: str, crashed: bool = False) -> None:
        # Of one that a child has raised the child's advice is cut off, or it would be there twice.
        self.reason = reason.removeprefix(f"{__name__}.{type(self).__name__}: ").partition(f". {NOTHING}")[0]
        self.crashed = crashed
        super().__init__(f"{self.reason}. {remedy(self.reason)}")


def run(module: str, job: dict[str, Any]) -> None:
    """Run `python -P -m module FILE`, FILE holding the job as JSON; its output goes to ours when it ends.

    -P: a `pipeline.py` or a `modelmill/` in the working directory is not imported in place of the package.

    Raises:
      MachineError: the child was ended by a signal, or had no memory or disk space.
      ChildError: it ended with another error.
    """
    with tempfile.TemporaryDirectory(prefix="modelmill-") as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(job))
        command = [sys.executable, "-P", "-m", module, str(path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    sys.stderr.write(done.stdout + done.stderr)
    if not done.returncode:
        return
    reason = last_word(done.returncode, done.stderr)
    if done.returncode < 0 or done.returncode == TEMPORARY:
        raise MachineError(reason, is_crash(done.returncode, done.stderr))
    raise ChildError(reason)


def main(run: Callable[[dict[str, Any]], None]) -> None:
    """In the child: do the job that `run` handed over; the exit code tells whether the machine failed."""
    try:
        run(job(sys.argv))
    except Exception as error:
        if not is_passing(error):
            raise
        traceback.print_exc()
        sys.exit(TEMPORARY)


def job(arguments: list[str]) -> dict[str, Any]:
    """Return, in the child, the job that `run` handed over."""
    content: dict[str, Any] = json.loads(Path(arguments[1]).read_text())
    return content


def is_passing(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is of the machine and not of the work."""
    while error is not None:
        # TensorFlow's own, which need not be loaded here, is that of a full memory or disk.
        if isinstance(error, (MemoryError, MachineError)) or type(error).__name__ == "ResourceExhaustedError":
            return True
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        error = error.__cause__ or error.__context__
    return False


def is_crash(code: int, stderr: str = "") -> bool:
    """Return whether a process may have brought its end on itself; C++ aborts without memory, too."""
    return code < 0 and -code in CRASHES and "bad_alloc" not in stderr


def remedy(reason: str) -> str:
    """Return what to do after a MachineError."""
    if "SIGKILL" in reason or "emory" in reason or "ResourceExhausted" in reason or "bad_alloc" in reason:
        todo = "most often there was no memory left: end what else runs, take fewer compress.workers, or more memory"
    elif "space" in reason or "too large" in reason or "quota" in reason:
        todo = "free disk space; `modelmill clean` deletes old runs"
    else:
        todo = "see what ended it: another person, a limit of the system (ulimit), a fault of the disk"
    return f"{NOTHING}: {todo}; then run again, the next run does it anew"


def last_word(code: int, stderr: str = "") -> str:
    """Return what a process ended of: the signal, or the exception that it told of."""
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
