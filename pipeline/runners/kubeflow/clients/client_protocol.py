"""A service that runs pipelines, whichever it is: what `submit` needs of it, and how it waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
      latest_of: name of an uploaded pipeline whose latest version a schedule runs instead of the file.
    """

    package: Path
    pipeline: str
    title: str
    root: str
    experiment: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    latest_of: str | None = None


@dataclass(frozen=True)
class Schedule:
    """When runs are started.

    Attributes:
      cron: as the platform has it; or `every`.
      every: seconds between two runs.
      start: time in RFC 3339 before which none is started.
      end: time in RFC 3339 after which none is started.
      concurrency: how many runs may go on at once.
      catch_up: whether runs that were missed, while it was disabled say, are started later.
    """

    cron: str | None = None
    every: int | None = None
    start: str | None = None
    end: str | None = None
    concurrency: int = 1
    catch_up: bool = False


@dataclass(frozen=True)
class RunLine:
    """A run in a list."""

    id: str
    name: str
    state: str
    created: str


@dataclass(frozen=True)
class ScheduleLine:
    """A schedule in a list; `when` is a cron or an interval."""

    id: str
    name: str
    when: str
    enabled: bool


@dataclass(frozen=True)
class Uploaded:
    """A version of a pipeline on a server."""

    pipeline_id: str
    version_id: str
    link: str


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

    def schedule(self, job: Job, schedule: Schedule) -> str:
        """Make a schedule; return its id."""

    def look(self, run_id: str) -> Look:
        """How a run goes."""

    def link(self, run_id: str) -> str:
        """The page of a run."""

    def schedule_link(self, schedule_id: str) -> str:
        """The page of a schedule."""


class Operations(Server, Protocol):
    """A server with what can be done about its runs and schedules; DeployError where the platform can't."""

    def runs(self, count: int) -> list[RunLine]:
        """Return the newest runs."""

    def logs(self, run_id: str, node: str) -> Iterator[str]:
        """Yield the logs of a node, the last attempt first."""

    def stop(self, run_id: str) -> None:
        """End a run."""

    def retry(self, run_id: str) -> None:
        """Run the nodes of a run that failed again."""

    def archive(self, run_id: str) -> None:
        """Move a run out of the list of runs."""

    def upload(self, package: str, name: str, version: str) -> Uploaded:
        """Upload a compiled file as a version of a pipeline."""

    def schedules(self) -> list[ScheduleLine]:
        """Return all schedules."""

    def enable_schedule(self, schedule_id: str, enabled: bool) -> None:
        """Let a schedule start runs, or keep it from that."""

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule."""


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
