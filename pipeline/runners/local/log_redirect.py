"""Keeps the screen for what a person should see: everything else goes to the run's log."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextlib.contextmanager
def redirected(path: Path) -> Iterator[TextIO]:
    """For its time all output of this process and of its children goes to `path`; yields the real stdout.

    File descriptors are redirected, not only Python's streams: TensorFlow and ML Metadata write from C++.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    real = [os.dup(1), os.dup(2)]
    screen = os.fdopen(os.dup(real[0]), "w", encoding="utf-8", errors="replace", buffering=1)
    log = open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115 (closed below)
    try:
        with (
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
            _logging_to(log),
        ):
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield screen
    finally:
        for number, original in enumerate(real, start=1):
            os.dup2(original, number)
            os.close(original)
        screen.close()
        with contextlib.suppress(OSError):  # on a full disk its last lines are lost; the screen has said why
            log.close()


@contextlib.contextmanager
def _logging_to(log: TextIO) -> Iterator[None]:
    """Python's logging, absl's and warnings. The handler must be there first, or absl adds one of its own."""
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("apache_beam.typehints").setLevel(logging.WARNING)  # hundreds of lines at import
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        root.removeHandler(handler)


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """One note a line of the log."""
        for line in self.format(record).splitlines():
            self._tell(line)


@contextlib.contextmanager
def told(tell: Callable[[str], None] | None) -> Iterator[None]:
    """For its time what goes to the log by Python's logging goes to `tell`, too; nothing does if that is None."""
    if tell is None:
        yield
        return
    handler = _Teller(tell)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
