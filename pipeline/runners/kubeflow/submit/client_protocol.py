"""A service that runs pipelines, whichever it is: what `submit` needs of it, and how it waits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

PATIENCE = 300.0
# What KFP's launcher, and what Vertex, says when our entrypoint ended because a gate refused.
GATE = re.compile(r"(exit (status|code):?|non-zero status of) 3\b")


class ServerError(RuntimeError):
    """The server refused, or can't be reached; the message says what and where."""


class PassingError(ServerError):
    """What may be better a moment later."""


@dataclass(frozen=True)
class Outcome:
    """How a run has ended.

    Attributes:
      state: SUCCEEDED, FAILED, CANCELED, ...
      node: the node that failed, if one is known.
      reason: why.
    """

    state: str
    node: str | None = None
    reason: str = ""

    @property
    def refused(self) -> bool:
        """A gate refused; nothing is broken."""
        return self.state != "SUCCEEDED" and bool(GATE.search(self.reason))


@dataclass(frozen=True)
class Look:
    """A run at one moment: the states of the nodes that have one, and how it has ended, if it has."""

    nodes: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None


class Server(Protocol):
    """Raises ServerError where it refuses, PassingError where another try may help."""

    def start(self, package: Path, experiment: str | None, name: str, parameters: dict[str, Any]) -> str:
        """Starts a run of a compiled file; its id."""

    def schedule(self, package: Path, experiment: str | None, name: str, parameters: dict[str, Any], cron: str) -> str:
        """Makes a schedule of it, by a cron as the server has it; its id."""

    def look(self, run_id: str) -> Look:
        """How a run goes."""

    def link(self, run_id: str) -> str:
        """The page of a run."""

    def schedule_link(self, schedule_id: str) -> str:
        """The page of a schedule."""


def wait(
    server: Server, run_id: str, tell: Callable[[str], None], every: float = 5.0, patience: float = PATIENCE
) -> Outcome:
    """Waits until a run has ended.

    Args:
      server: where it runs.
      run_id: of the run.
      tell: called with a line whenever a node gets into another state.
      every: seconds between two questions.
      patience: seconds for which the server may fail to answer.

    Raises:
      ServerError: it has not answered for that long, or refuses.
    """
    told: dict[str, str] = {}
    answered = time.monotonic()
    while True:
        try:
            found = server.look(run_id)
            answered = time.monotonic()
        except PassingError as error:
            if time.monotonic() - answered > patience:
                raise ServerError(str(error)) from error
            tell(f"{error}; trying again")
            time.sleep(every)
            continue
        for node, state in found.nodes.items():
            if told.get(node) != state:
                told[node] = state
                tell(f"{node}: {state.lower()}")
        if found.outcome:
            return found.outcome
        time.sleep(every)


def line(content: Any) -> str:
    """An error in one line."""
    return " ".join(str(content).split())[:500]
