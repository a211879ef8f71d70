"""Run the command of a task's container in a process of its own, with its input filled in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from modelmill.pipeline.runners.kubeflow import mounts

# Where the launcher puts the ExecutorInput.
PLACEHOLDER = "{{$}}"


class TaskError(RuntimeError):
    """A task ended with another exit code than 0."""

    def __init__(self, task: str, code: int, log: Path) -> None:
        self.task, self.code, self.log = task, code, log
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        super().__init__(
            f"{task} ended with exit code {code}: {lines[-1] if lines else 'it said nothing'} (log: {log})"
        )


def environment(folder: Path) -> dict[str, str]:
    """What a container has: a path to the interpreter, a home, and the mounts."""
    python = str(Path(sys.executable).parent)
    return {
        "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        mounts.ENV: str(folder),
    }


def filled(command: list[str], executor_input: dict[str, Any]) -> list[str]:
    """A command with the executor's input in its place."""
    text = json.dumps(executor_input)
    return [part.replace(PLACEHOLDER, text) for part in command]


def execute(
    name: str, command: list[str], executor_input: dict[str, Any], variables: dict[str, str], log: Path | None
) -> None:
    """Runs a container's command in a process of its own, with the executor's input in its place.

    Raises:
      TaskError: it ended with another exit code than 0.
    """
    command = filled(command, executor_input)
    if log is None:
        code = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            raise SystemExit(code)
        return
    with open(log, "ab") as file:
        done = subprocess.run(
            command,
            env=variables,
            cwd=variables["HOME"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise TaskError(name, done.returncode, log)
