"""Vertex AI Pipelines as we use it: Google's own client over REST, and its errors in words."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from modelmill.pipeline.layout import NODES
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import (
    Job,
    Look,
    Outcome,
    RunLine,
    Schedule,
    ScheduleLine,
    Uploaded,
    line,
)
from modelmill.pipeline.runners.kubeflow.errors import DeployError, PassingError, ServerError

CONSOLE = "https://console.cloud.google.com/vertex-ai"
STATE = "PIPELINE_STATE_"
FINISHED = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "CANCELLED": "CANCELED"}
PROJECT = re.compile(r"[a-z][a-z0-9.:-]{4,62}|[0-9]{6,20}")
LOCATION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# What Vertex says when the command of a container ended because a gate refused.
GATE = re.compile(r"non-zero status of 3\b")
# With which Google's client begins what it says.
REQUEST = re.compile(r"^(GET|POST) \S+: ")
EXPERIMENT = "experiment"


@dataclass(frozen=True)
class Connection:
    """Which Vertex, and as whom.

    Attributes:
      project: id or number of the project.
      location: such as europe-west4.
      service_account: as whom the nodes run; the project's default one if absent.
      token: an access token; without one Google's application default credentials are taken.
      host: another address than Google's own of the location.
    """

    project: str | None
    location: str | None
    service_account: str | None = None
    token: str | None = None
    host: str | None = None


class VertexServer:
    """Vertex AI Pipelines of one project and location.

    Raises:
      DeployError: project or location is missing, or is none.
      ServerError: there are no credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        self._project = _checked("--project", connection.project, PROJECT, "the id of a Google Cloud project")
        self._location = _checked("--location", connection.location, LOCATION, "a region, such as europe-west4")
        self._parent = f"projects/{self._project}/locations/{self._location}"
        host = urlsplit(connection.host or f"https://{self._location}-aiplatform.googleapis.com")
        if host.scheme not in ("https", "http") or not host.netloc or host.path.strip("/"):
            raise DeployError(f"--host: found {connection.host!r}; give a URL without a path, or leave it out")
        self.host = f"{host.scheme}://{host.netloc}"
        from google.cloud.aiplatform_v1.services import pipeline_service, schedule_service

        given = {"host": host.netloc, "url_scheme": host.scheme, "credentials": self._credentials()}
        rest = pipeline_service.transports.PipelineServiceRestTransport(**given)
        self._pipelines = pipeline_service.PipelineServiceClient(transport=rest)
        rest = schedule_service.transports.ScheduleServiceRestTransport(**given)
        self._schedules = schedule_service.ScheduleServiceClient(transport=rest)

    def link(self, run_id: str) -> str:
        """The page of a run."""
        return f"{CONSOLE}/locations/{self._location}/pipelines/runs/{run_id}?project={self._project}"

    def schedule_link(self, schedule_id: str) -> str:
        """The page of a schedule."""
        return f"{CONSOLE}/locations/{self._location}/pipelines/schedules/{schedule_id}?project={self._project}"

    def start(self, job: Job) -> str:
        """Start a run; return its id. The experiment is a label of it."""
        message = self._job(job)
        job_id = _job_id(job.pipeline)
        with self._told("starting the run"):
            made = self._pipelines.create_pipeline_job(
                parent=self._parent, pipeline_job=message, pipeline_job_id=job_id
            )
        return str(made.name.rpartition("/")[2])

    def schedule(self, job: Job, schedule: Schedule) -> str:
        """Make a schedule; return its id. A run that is still going on keeps the next one from starting."""
        request = {"parent": self._parent, "pipeline_job": self._job(job)}
        message = {
            "display_name": job.title,
            "cron": schedule.cron,
            "max_concurrent_run_count": schedule.concurrency,
            "create_pipeline_job_request": request,
            **({"start_time": schedule.start} if schedule.start else {}),
            **({"end_time": schedule.end} if schedule.end else {}),
        }
        with self._told("making the schedule"):
            made = self._schedules.create_schedule(parent=self._parent, schedule=message)
        return str(made.name.rpartition("/")[2])

    def look(self, run_id: str) -> Look:
        """How a run goes. SKIPPED nodes were taken from the cache."""
        with self._told(f"asking for run {run_id} ({self.link(run_id)})"):
            job = self._pipelines.get_pipeline_job(name=f"{self._parent}/pipelineJobs/{run_id}")
        tasks = [task for task in job.job_detail.task_details if task.task_name in NODES]
        nodes = {task.task_name: task.state.name for task in tasks}
        state = FINISHED.get(job.state.name.removeprefix(STATE))
        if state in (None, "SUCCEEDED"):
            return Look(nodes, Outcome(state) if state else None)
        failed = next((task for task in tasks if task.state.name == "FAILED"), None)
        said = (failed and line(failed.error.message)) or line(job.error.message) or "Vertex does not say why"
        return Look(nodes, Outcome(state, failed and failed.task_name, said, bool(GATE.search(said))))

    def runs(self, count: int) -> list[RunLine]:
        """Return the newest runs."""
        found = []
        with self._told("listing the runs"):
            request = {"parent": self._parent, "order_by": "create_time desc", "page_size": min(count, 100)}
            for job in self._pipelines.list_pipeline_jobs(request=request):
                state = job.state.name.removeprefix(STATE)
                created = f"{job.create_time:%Y-%m-%d %H:%M:%S}" if job.create_time else ""
                found.append(RunLine(job.name.rpartition("/")[2], job.display_name, state, created))
                if len(found) == count:
                    break
        return found

    def stop(self, run_id: str) -> None:
        """End a run."""
        with self._told(f"stopping run {run_id}"):
            self._pipelines.cancel_pipeline_job(name=f"{self._parent}/pipelineJobs/{run_id}")

    def schedules(self) -> list[ScheduleLine]:
        """Return all schedules."""
        with self._told("listing the schedules"):
            every = list(self._schedules.list_schedules(parent=self._parent))
        return [
            ScheduleLine(one.name.rpartition("/")[2], one.display_name, one.cron, one.state.name == "ACTIVE")
            for one in every
        ]

    def enable_schedule(self, schedule_id: str, enabled: bool) -> None:
        """Let a schedule start runs, or keep it from that."""
        with self._told(f"changing schedule {schedule_id}"):
            change = self._schedules.resume_schedule if enabled else self._schedules.pause_schedule
            change(name=f"{self._parent}/schedules/{schedule_id}")

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule."""
        with self._told(f"deleting schedule {schedule_id}"):
            self._schedules.delete_schedule(name=f"{self._parent}/schedules/{schedule_id}")

    def logs(self, run_id: str, node: str) -> Iterator[str]:
        """Refuse: Vertex's API of pipelines has no logs."""
        raise DeployError(
            f"logs: Vertex keeps them in Cloud Logging; the page of the run shows them: {self.link(run_id)}"
        )

    def retry(self, run_id: str) -> None:
        """Refuse: Vertex has no such thing."""
        raise DeployError("retry: Vertex has no such thing; submit again: nodes that are done come from the cache")

    def archive(self, run_id: str) -> None:
        """Refuse: Vertex has no such thing."""
        raise DeployError("archive: Vertex has no such thing; runs can be deleted on its page")

    def upload(self, package: str, name: str, version: str) -> Uploaded:
        """Refuse: Vertex has no such thing."""
        raise DeployError("upload: Vertex's API keeps no pipelines; keep the file in a repository of Artifact Registry")

    def _job(self, job: Job) -> Any:
        """The message that makes a run."""
        from google.cloud import aiplatform_v1
        from google.cloud.aiplatform.utils import pipeline_utils

        if job.experiment and not LABEL.fullmatch(job.experiment):
            raise DeployError(f"--experiment: found {job.experiment!r}; on Vertex give small letters, digits, - and _")
        content = json.loads(job.package.read_text(encoding="utf-8"))
        builder = pipeline_utils.PipelineRuntimeConfigBuilder.from_job_spec_json(content)
        builder.update_pipeline_root(job.root)
        builder.update_runtime_parameters(job.parameters)
        message = {
            "displayName": job.title,
            "pipelineSpec": content["pipelineSpec"],
            "runtimeConfig": builder.build(),
            "labels": {EXPERIMENT: job.experiment} if job.experiment else {},
            "serviceAccount": self._to.service_account or "",
        }
        return aiplatform_v1.PipelineJob.from_json(json.dumps(message))

    def _credentials(self) -> Any:
        import google.auth
        from google.auth import exceptions
        from google.oauth2 import credentials

        if self._to.token:
            return credentials.Credentials(self._to.token)
        try:
            return google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0]
        except exceptions.DefaultCredentialsError as error:
            raise ServerError(
                "no credentials of Google Cloud: log in by `gcloud auth application-default login`, "
                "or give an access token (--token-file, or VERTEX_TOKEN)"
            ) from error

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Errors of the client in words."""
        import requests
        from google.api_core import exceptions as api
        from google.auth import exceptions as auth

        try:
            yield
        except api.GoogleAPICallError as error:
            said = line(REQUEST.sub("", error.message))
            text = f"{doing}: {self.host} answered {error.code}: {said}"
            if error.code in (401, 403):
                text += f"; the account needs the role Vertex AI User in project {self._project}"
            raise (PassingError if (error.code or 0) >= 500 else ServerError)(text) from error
        except auth.TransportError as error:
            raise PassingError(f"{doing}: {line(error)}") from error
        except auth.GoogleAuthError as error:
            raise ServerError(f"{doing}: the credentials were refused: {line(error)}") from error
        except requests.exceptions.SSLError as error:
            raise ServerError(f"{doing}: the certificate of {self.host} is not trusted: {line(error)}") from error
        except requests.exceptions.RequestException as error:
            raise PassingError(f"{doing}: {self.host} does not answer: {line(error)}") from error


def _checked(option: str, given: str | None, pattern: re.Pattern[str], what: str) -> str:
    if not given or not pattern.fullmatch(given):
        raise DeployError(f"{option}: {f'found {given!r}' if given else 'missing'}; give {what}")
    return given


def _job_id(name: str) -> str:
    """The id of a run: it begins with a letter, and the time tells runs apart."""
    prefix = name if name[0].isalpha() else f"run-{name}"
    return f"{prefix}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:128]
