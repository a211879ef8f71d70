"""Runs containers' commands out of a Python that has TensorFlow and TFX loaded: a second to start one, not a dozen.

    with WarmPython() as warm:
        launcher.LocalLauncher(..., execute=warm).run("run-1")

The commands are those of the compiled file, and each has a process, an environment and a folder of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from modelmill.pipeline.runners.kubeflow.emulator import container_command


class WarmPython:
    """Takes the place of command.execute; use it as a context. `pid` is that of the last command's process."""

    def __init__(self) -> None:
        self.pid = 0

    def __enter__(self) -> Self:
        env = {**container_command.environment(Path("/")), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def __call__(
        self, name: str, words: list[str], executor_input: dict[str, Any], variables: dict[str, str], log: Path
    ) -> None:
        """See command.execute."""
        assert words[:3] == ["python", "-P", "-m"], words
        assert self._server.stdin and self._server.stdout
        filled = container_command.filled(words[3:], executor_input)
        self._server.stdin.write(json.dumps({"words": filled, "env": variables, "log": str(log)}) + "\n")
        self._server.stdin.flush()
        self.pid = int(self._server.stdout.readline())
        code = int(self._server.stdout.readline())
        if code:
            raise container_command.TaskError(name, code, log)
