"""A service that runs pipelines, whichever it is: what `submit` needs of it, and how it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelmill.pipeline.runners.kubeflow.errors import PassingError, ServerError

PATIENCE = 300.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server is reached; each platform takes some of these (Platform.OPTIONS)."""

    host: str | None = None
    namespace: str | None = None
    project: str | None = None
    location: str | None = None
    service_account: str | None = None
    token: str | None = None
    ca: Path | None = None
    no_verify_tls: bool = False


@dataclass(frozen=True)
class Job:
    """A run to be started, or to be scheduled.

    Attributes:
      package: the compiled file.
      pipeline: the pipeline's name.
      title: of the run.
      root: pipeline root of the run; the server of KFP knows none but that of a run's runtime config.
      experiment: under which KFP shows the run; a label of it on Vertex.
      parameters: values of the run's parameters by name.
    """

    package: Path
    pipeline: str
    title: str
    root: str
    experiment: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a run has ended.

    Attributes:
      state: SUCCEEDED, FAILED, CANCELED, ...
      node: the node that failed, if one is known.
      reason: why.
      refused: whether a gate refused; nothing is broken then.
    """

    state: str
    node: str | None = None
    reason: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Look:
    """A run at one moment: the states of the nodes that have one, and how it has ended, if it has."""

    nodes: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None


class Server(Protocol):
    """Raises ServerError where it refuses, PassingError where another try may help."""

    def start(self, job: Job) -> str:
        """Start a run; return its id."""

    def schedule(self, job: Job, cron: str) -> str:
        """Make a schedule, by a cron as the server has it; return its id."""

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
