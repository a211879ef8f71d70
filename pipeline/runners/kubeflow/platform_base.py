"""The kind of plug-in Platform: a service that runs compiled pipelines, such as open-source KFP.

A platform's class says what the compiler, the emulator and `submit` need to know of the service: nothing else compares
a platform's name.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from modelmill.data.core import plugin_base, plugins
from modelmill.data.core.config import Strict
from modelmill.data.core.plugin_base import Plugin
from modelmill.pipeline.experiment.cluster_config import Resources
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.experiment.kubernetes_config import number_of_bytes
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Operations, Schedule, ServerOptions
from modelmill.pipeline.runners.kubeflow.errors import DeployError

PACKAGE = "modelmill.pipeline.runners.kubeflow.platforms"
CRON_FIELD = r"[0-9A-Za-z*/,?#L-]+"
CRON_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True)
class Limits:
    """Resources of a container as a pipeline spec has them, and the node selector that finds its accelerator."""

    spec: dict[str, object]
    node_selector: dict[str, str]


class Platform(Plugin[Strict]):
    """Base class of the platforms.

    Attributes:
      SUFFIX: of compiled files; clients decide by it.
      ROOT_SCHEMES: schemes that a pipeline root may have.
      ROOT_REASON: why no others, for the message that refuses one.
      DEFAULT_ROOT: the root if none is given; None if there is no default.
      FETCHED_SCHEMES: schemes of data that the launcher has to fetch for `ingest`.
      NEVER_CACHED: nodes whose outputs are never taken from the platform's cache.
      CALLS_DRIVERS: whether the platform calls ExampleGen's driver before the node.
      TYPED_ARTIFACTS: whether the launcher hands artifacts over with their types and names.
      MOUNTS_BUCKET: whether pods have the bucket mounted; else the launcher copies artifacts to and from their disks.
      LOG_OUTPUT: key of the output that the driver adds to every task for its log; "" if it adds none.
      TAKES_DOCUMENT: whether a Kubernetes document may follow the pipeline spec.
      CRON_SECONDS: whether the first of six fields of a cron is the second; else there are five.
      SCHEDULE_FLAGS: what schedules can do besides a cron, a start, an end and concurrency: "--every", "--catch-up".
      OPTIONS: fields of ServerOptions that the platform's server takes.
      TOKEN_VARIABLE: environment variable that may hold the access token.
    """

    KIND: ClassVar[str] = "platform"
    PACKAGE: ClassVar[str] = PACKAGE
    REQUIRED: ClassVar[tuple[str, ...]] = (
        "SUFFIX",
        "ROOT_SCHEMES",
        "ROOT_REASON",
        "NEVER_CACHED",
        "OPTIONS",
        "TOKEN_VARIABLE",
    )
    SUFFIX: ClassVar[str]
    ROOT_SCHEMES: ClassVar[tuple[str, ...]]
    ROOT_REASON: ClassVar[str]
    DEFAULT_ROOT: ClassVar[str | None] = None
    FETCHED_SCHEMES: ClassVar[tuple[str, ...]] = ()
    NEVER_CACHED: ClassVar[tuple[str, ...]]
    CALLS_DRIVERS: ClassVar[bool] = False
    TYPED_ARTIFACTS: ClassVar[bool] = False
    MOUNTS_BUCKET: ClassVar[bool] = False
    LOG_OUTPUT: ClassVar[str] = ""
    TAKES_DOCUMENT: ClassVar[bool] = False
    CRON_SECONDS: ClassVar[bool] = False
    SCHEDULE_FLAGS: ClassVar[tuple[str, ...]] = ()
    OPTIONS: ClassVar[tuple[str, ...]]
    TOKEN_VARIABLE: ClassVar[str]

    @abstractmethod
    def text(self, job: dict[str, Any], document: dict[str, Any] | None) -> str:
        """Return the content of the compiled file.

        Args:
          job: the PipelineJob, with `pipelineSpec` and `runtimeConfig`.
          document: the Kubernetes document, if there is one.
        """

    @abstractmethod
    def accelerator(self, node: str, name: str) -> tuple[str, dict[str, str]]:
        """Return the platform's name of an accelerator, and the node selector that finds it.

        Raises:
          DeployError: the platform does not know it.
        """

    @abstractmethod
    def connect(self, options: ServerOptions) -> Operations:
        """Connect to the server.

        Raises:
          DeployError: an option is missing or wrong.
          ServerError: the server does not answer, or not to this user.
        """

    def check_options(self, options: ServerOptions) -> None:
        """Raise DeployError where an option is missing, before anything is compiled or sent."""

    def document(self, experiment: Experiment, nodes: list[str]) -> dict[str, Any] | None:
        """Return the Kubernetes document for the nodes; None if nothing is asked for, or the platform takes none."""
        return None

    def environment(self, experiment: Experiment, node: str) -> dict[str, str]:
        """Return the environment variables that the experiment asks for in a node's container."""
        return {}

    def notes(self, experiment: Experiment) -> tuple[str, ...]:
        """Return what a person should know of the compiled experiment."""
        return ()

    def folder(self, root: str, experiment: str, name: str) -> str | None:
        """Return the folder that `run.cluster.NAME` has by default; None if the platform has no such default."""
        return None

    def checkpoints(self, given: str) -> str:
        """Return the path by which a container writes checkpoints with plain files.

        Raises:
          DeployError: there is none.
        """
        if given.startswith("/"):
            return given
        raise DeployError(
            f"run.cluster.checkpoints: found {given!r}; on {self.name} give the path of a folder on a mounted volume"
        )

    def root(self, given: str | None) -> str:
        """Return the pipeline root without a slash at its end.

        Raises:
          DeployError: the platform can't reach it.
        """
        given = given or self.DEFAULT_ROOT
        if given is None:
            scheme = self.ROOT_SCHEMES[0]
            raise DeployError(f"--root: missing; {self.name} has no default root, give {scheme}BUCKET/FOLDER")
        if not given.startswith(self.ROOT_SCHEMES) or not given.split("://")[1].strip("/"):
            allowed = ", ".join(self.ROOT_SCHEMES)
            raise DeployError(f"root: found {given!r}; {self.name} takes {allowed} with a bucket: {self.ROOT_REASON}")
        return given.rstrip("/")

    def data_folder(self, given: str) -> str:
        """Return a folder of data that a container can read, without a slash at its end.

        Raises:
          DeployError: it can't.
        """
        if given.startswith(("gs://", "/", *self.FETCHED_SCHEMES)):
            return given.rstrip("/") or "/"
        allowed = ", ".join(f"{scheme}BUCKET/FOLDER" for scheme in ("gs://", *self.FETCHED_SCHEMES))
        raise DeployError(f"data: found {given!r}; {self.name} needs {allowed} or an absolute path in the container")

    def is_fetched(self, data: str) -> bool:
        """Return whether the launcher has to fetch the data: neither TensorFlow nor Beam reads its scheme."""
        return data.startswith(self.FETCHED_SCHEMES) if self.FETCHED_SCHEMES else False

    def limits(self, node: str, wanted: Resources) -> Limits:
        """Return what a container of `node` may use, as the pipeline spec says it.

        Raises:
          DeployError: the platform does not know the accelerator.
        """
        spec: dict[str, object] = {}
        selector: dict[str, str] = {}
        if wanted.cpu is not None:
            spec |= {"cpuLimit": wanted.cpu, "resourceCpuLimit": f"{wanted.cpu:g}"}
        if wanted.memory is not None:
            # The number is in units of 10^9 bytes, the text as Kubernetes has it; newer servers read the text.
            spec |= {"memoryLimit": number_of_bytes(wanted.memory) / 1e9, "resourceMemoryLimit": wanted.memory}
        if wanted.requests.cpu is not None:
            spec |= {"cpuRequest": wanted.requests.cpu, "resourceCpuRequest": f"{wanted.requests.cpu:g}"}
        if wanted.requests.memory is not None:
            memory = wanted.requests.memory
            spec |= {"memoryRequest": number_of_bytes(memory) / 1e9, "resourceMemoryRequest": memory}
        if wanted.accelerator is not None:
            name, selector = self.accelerator(node, wanted.accelerator.type)
            count = str(wanted.accelerator.count)
            spec["accelerator"] = {"type": name, "count": count, "resourceType": name, "resourceCount": count}
        return Limits(spec, selector)

    def schedule(self, given: Schedule) -> Schedule:
        """Return a schedule as the platform has it.

        Raises:
          DeployError: it is none, or the platform has no such thing.
        """
        asked = {"--every": given.every, "--catch-up": given.catch_up}
        for flag, value in asked.items():
            if value and flag not in self.SCHEDULE_FLAGS:
                raise DeployError(f"{flag}: {self.name} has no such thing; its schedules go by a cron; leave it out")
        if (given.cron is None) == (given.every is None):
            raise DeployError("--schedule and --every: give one of them, a cron or an interval in seconds")
        if given.every is not None and given.every < 1:
            raise DeployError(f"--every: found {given.every}; give at least 1 second")
        times = {"--start": given.start, "--end": given.end}
        moments = [_moment(flag, text) for flag, text in times.items() if text]
        if len(moments) > 1 and moments[0] >= moments[1]:
            raise DeployError(f"--end: found {given.end}; give a time after --start, {given.start}")
        if given.concurrency < 1:
            raise DeployError(f"--concurrency: found {given.concurrency}; give at least 1")
        return replace(given, cron=self.cron(given.cron) if given.cron else None)

    def cron(self, given: str) -> str:
        """Return a cron as the platform has it.

        Raises:
          DeployError: it is none.
        """
        fields = CRON_WORDS.get(given, given).split()
        counts = (5, 6) if self.CRON_SECONDS else (5,)
        if len(fields) not in counts or not all(re.fullmatch(CRON_FIELD, field) for field in fields):
            more = ", six with seconds first" if self.CRON_SECONDS else ""
            raise DeployError(
                f"--schedule: found {given!r}; give five fields (minute hour day month weekday), such as '0 6 * * 1'"
                f"{more}, or one of {', '.join(CRON_WORDS)}"
            )
        return " ".join(["0", *fields] if self.CRON_SECONDS and len(fields) == 5 else fields)


def _moment(flag: str, text: str) -> datetime:
    """Return a time with its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise DeployError(f"{flag}: found {text!r}; give a time with its zone, such as 2027-01-31T06:00:00Z")
    return found


def look_up(name: str) -> Platform:
    """Return a platform by its name."""
    return plugin_base.get(Platform, name)  # type: ignore[type-abstract]


def names() -> list[str]:
    """Return the names of the platforms."""
    return plugins.names(PACKAGE)
