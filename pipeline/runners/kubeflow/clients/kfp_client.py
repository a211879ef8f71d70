"""The KFP API server as we use it: kfp's own client, its errors in words, and no endless waiting."""

from __future__ import annotations

import contextlib
import io
import json
import re
import ssl
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmill.pipeline.layout import NODES
from modelmill.pipeline.runners.kubeflow import task_outcome
from modelmill.pipeline.runners.kubeflow.clients import kfp_pods
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Job, Look, Outcome, Schedule, line
from modelmill.pipeline.runners.kubeflow.errors import DeployError, PassingError, ServerError

# Bytes of an answer, such as a log, that are read.
LONGEST = 20_000_000
FINISHED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass(frozen=True)
class Connection:
    """How the server is reached.

    Attributes:
      host: base URL of Kubeflow Pipelines, its user interface too.
      namespace: of the user, on servers for many.
      token: a bearer token.
      verify: whether the certificate is checked.
      ca: file of certificates to check it by.
      service_account: as whom the pods of a run act; the server's default one if absent.
    """

    host: str
    namespace: str | None = None
    token: str | None = None
    verify: bool = True
    ca: Path | None = None
    service_account: str | None = None


class KfpServer:
    """A server that was found to be KFP v2.

    Raises:
      DeployError: the host is no URL, no KFP server, or an old one; or a namespace is needed.
      ServerError: it does not answer, or not to this user.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.host = _url(connection.host)
        health = self._health()
        if health.get("multi_user") and not connection.namespace:
            raise DeployError(f"--namespace: missing; {self.host} serves many users, each in a namespace")
        import kfp

        with quiet():
            self.client = kfp.Client(
                host=self.host,
                # Any but "kubeflow" is used as it is; "" would make the client ask the server again and again.
                namespace=connection.namespace or "kubeflow",
                existing_token=connection.token,
                verify_ssl=connection.verify,
                ssl_ca_cert=str(connection.ca) if connection.ca else None,
            )

    def link(self, run_id: str) -> str:
        """The page of a run."""
        return f"{self.host}/#/runs/details/{run_id}"

    def schedule_link(self, schedule_id: str) -> str:
        """The page of a recurring run."""
        return f"{self.host}/#/recurringrun/details/{schedule_id}"

    def start(self, job: Job) -> str:
        """Start a run; return its id. KFP shows it under the experiment, or under the pipeline's name."""
        with self.told("starting the run"), quiet():
            found = self.client.create_experiment(job.experiment or job.pipeline, namespace=self.connection.namespace)
            run = self.client.run_pipeline(
                found.experiment_id,
                job.title,
                pipeline_package_path=str(job.package),
                params=job.parameters,
                pipeline_root=job.root,
                service_account=self.connection.service_account,
            )
        return str(run.run_id)

    def schedule(self, job: Job, schedule: Schedule) -> str:
        """Make a recurring run, of the file or of the latest version of an uploaded pipeline; return its id."""
        import kfp_server_api as api

        when = {"start_time": schedule.start, "end_time": schedule.end}
        trigger = (
            api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=schedule.cron, **when))
            if schedule.cron
            else api.V2beta1Trigger(
                periodic_schedule=api.V2beta1PeriodicSchedule(interval_second=str(schedule.every), **when)
            )
        )
        with self.told("making the schedule"), quiet():
            found = self.client.create_experiment(job.experiment or job.pipeline, namespace=self.connection.namespace)
            body = api.V2beta1RecurringRun(
                experiment_id=found.experiment_id,
                display_name=job.title,
                mode=api.RecurringRunMode.ENABLE,
                runtime_config=api.V2beta1RuntimeConfig(parameters=job.parameters, pipeline_root=job.root),
                trigger=trigger,
                no_catchup=not schedule.catch_up,
                max_concurrency=str(schedule.concurrency),
                service_account=self.connection.service_account,
                **self._what(job),
            )
            made = api.RecurringRunServiceApi(self.api_client()).recurring_run_service_create_recurring_run(body)
        return str(made.recurring_run_id)

    def _what(self, job: Job) -> dict[str, Any]:
        """Return what a schedule runs: a pipeline without a version is its latest one, at each run."""
        import kfp_server_api as api
        import yaml

        if job.latest_of:
            found = self.pipeline_id(job.latest_of)
            if found is None:
                raise DeployError(
                    f"--latest-of: found {job.latest_of!r}; the server has no such pipeline; "
                    "do: modelmill remote upload"
                )
            return {"pipeline_version_reference": api.V2beta1PipelineVersionReference(pipeline_id=found)}
        documents = list(yaml.safe_load_all(job.package.read_text(encoding="utf-8")))
        spec = dict(zip(("pipeline_spec", "platform_spec"), documents, strict=False))
        return {"pipeline_spec": spec if len(spec) > 1 else documents[0]}

    def pipeline_id(self, name: str) -> str | None:
        """Return the id of an uploaded pipeline; None if there is none of the name."""
        found = self.client.get_pipeline_id(name)
        return None if found is None else str(found)

    def api_client(self) -> Any:
        """Return a client of the API's own, for what kfp's client does not do."""
        import kfp_server_api as api

        configuration = api.Configuration(host=self.host)
        configuration.verify_ssl = self.connection.verify
        configuration.ssl_ca_cert = str(self.connection.ca) if self.connection.ca else None
        if self.connection.token:
            configuration.api_key["authorization"] = self.connection.token
            configuration.api_key_prefix["authorization"] = "Bearer"
        return api.ApiClient(configuration)

    def look(self, run_id: str) -> Look:
        """How a run goes."""
        with self.told(f"asking for run {run_id} ({self.link(run_id)})"):
            run = self.client.get_run(run_id)
        return Look(_states(run), self._outcome(run) if run.state in FINISHED else None)

    def _outcome(self, run: Any) -> Outcome:
        """How a run ended, and why by the log of the node that failed: the API does not say it."""
        if run.state != "FAILED":
            return Outcome(run.state, reason="" if run.state == "SUCCEEDED" else "the server does not say why")
        details = (run.run_details and run.run_details.task_details) or []
        failed = [str(task.display_name or "") for task in details if task.state == "FAILED"]
        node = next((name for name in failed if name in NODES), None)
        for text in kfp_pods.logs(run, node, self.connection.namespace, self.get):
            found = task_outcome.from_log(text)
            if found:
                return Outcome(run.state, node, found.reason, found.refused)
        if run.error and run.error.message:
            return Outcome(run.state, node, _short(run.error.message))
        unread = "the server does not say why, and gives no log that does"
        driver = next((name for name in failed if name.removesuffix("-driver") in NODES), None)
        return Outcome(run.state, node or driver, f"{unread}; look at the log of the node's pod")

    def _health(self) -> dict[str, Any]:
        """The answer of the v2 health check."""
        status, body = self.get("/apis/v2beta1/healthz")
        if status in (401, 403):
            raise ServerError(f"{self.host} refuses access ({status}); give a token (--token-file, or KFP_TOKEN)")
        with contextlib.suppress(ValueError):
            found = json.loads(body)
            if status == 200 and isinstance(found, dict):
                return found
        if status >= 500:
            raise ServerError(f"{self.host} is out of order ({status}): {_short(body)}")
        status_v1, body_v1 = self.get("/apis/v1beta1/healthz")
        if status_v1 == 200 and body_v1.lstrip().startswith("{"):
            raise DeployError(f"--host: {self.host} is a server of KFP v1; modelmill needs v2 (2.0 or newer)")
        raise DeployError(
            f"--host: {self.host} is no KFP server: {self.host}/apis/v2beta1/healthz answered {status}, not JSON. "
            "Give the URL of Kubeflow Pipelines, such as http://localhost:8080 of a port-forward"
        )

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        context = ssl.create_default_context(cafile=str(self.connection.ca) if self.connection.ca else None)
        if not self.connection.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {self.connection.token}"} if self.connection.token else {}
        try:
            request = urllib.request.Request(self.host + path, headers=headers)
            with urllib.request.urlopen(request, timeout=15, context=context) as answer:
                return answer.status, answer.read(LONGEST).decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read(LONGEST).decode(errors="replace")
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise ServerError(
                    f"{self.host}: its certificate is not trusted ({reason.verify_message}); "
                    "give its authority by --ca-file, or --no-verify-tls"
                ) from error
            raise ServerError(f"{self.host} does not answer: {reason}") from error

    @contextlib.contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Errors of the client in words."""
        import urllib3
        from kfp_server_api.exceptions import ApiException

        try:
            yield
        except ApiException as error:
            text = f"{doing}: {self.host} answered {error.status}: {_short(error.body or error.reason)}"
            if error.status in (401, 403):
                text += "; give a token that may do so (--token-file, or KFP_TOKEN)"
            raise (PassingError if (error.status or 0) >= 500 else ServerError)(text) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PassingError(f"{doing}: {self.host} broke the connection: {_short(error)}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """kfp's client prints links and warns of its own age."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _url(host: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", host):
        raise DeployError(f"--host: found {host!r}; give a URL, such as https://kubeflow.example.com/pipeline")
    return host.rstrip("/")


def _short(content: Any) -> str:
    """One line of an error: the message in KFP's JSON, if it is that."""
    text = str(content)
    with contextlib.suppress(ValueError, AttributeError):
        found = json.loads(text)
        text = found.get("message") or found.get("error") or text
    return line(text)


def _states(run: Any) -> dict[str, str]:
    """The state of every node that has one; KFP has tasks of its own, too, such as drivers."""
    details = (run.run_details and run.run_details.task_details) or []
    return {task.display_name: task.state for task in details if task.display_name in NODES and task.state}
