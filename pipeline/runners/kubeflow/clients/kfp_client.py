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
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Job, Look, Outcome, line
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
        self._to = connection
        self.host = _url(connection.host)
        health = self._health()
        if health.get("multi_user") and not connection.namespace:
            raise DeployError(f"--namespace: missing; {self.host} serves many users, each in a namespace")
        import kfp

        with _quiet():
            self._client = kfp.Client(
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
        with self._told("starting the run"), _quiet():
            found = self._client.create_experiment(job.experiment or job.pipeline, namespace=self._to.namespace)
            run = self._client.run_pipeline(
                found.experiment_id,
                job.title,
                pipeline_package_path=str(job.package),
                params=job.parameters,
                pipeline_root=job.root,
                service_account=self._to.service_account,
            )
        return str(run.run_id)

    def schedule(self, job: Job, cron: str) -> str:
        """Make a recurring run; return its id."""
        with self._told("making the schedule"), _quiet():
            found = self._client.create_experiment(job.experiment or job.pipeline, namespace=self._to.namespace)
            recurring = self._client.create_recurring_run(
                found.experiment_id,
                job.title,
                cron_expression=cron,
                no_catchup=True,
                params=job.parameters,
                pipeline_package_path=str(job.package),
                pipeline_root=job.root,
                service_account=self._to.service_account,
            )
        return str(recurring.recurring_run_id)

    def look(self, run_id: str) -> Look:
        """How a run goes."""
        with self._told(f"asking for run {run_id} ({self.link(run_id)})"):
            run = self._client.get_run(run_id)
        return Look(_states(run), self._outcome(run) if run.state in FINISHED else None)

    def _outcome(self, run: Any) -> Outcome:
        """How a run ended, and why by the log of the node that failed: the API does not say it."""
        if run.state != "FAILED":
            return Outcome(run.state, reason="" if run.state == "SUCCEEDED" else "the server does not say why")
        details = (run.run_details and run.run_details.task_details) or []
        failed = [str(task.display_name or "") for task in details if task.state == "FAILED"]
        node = next((name for name in failed if name in NODES), None)
        for text in kfp_pods.logs(run, node, self._to.namespace, self._get):
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
        status, body = self._get("/apis/v2beta1/healthz")
        if status in (401, 403):
            raise ServerError(f"{self.host} refuses access ({status}); give a token (--token-file, or KFP_TOKEN)")
        with contextlib.suppress(ValueError):
            found = json.loads(body)
            if status == 200 and isinstance(found, dict):
                return found
        if status >= 500:
            raise ServerError(f"{self.host} is out of order ({status}): {_short(body)}")
        status_v1, body_v1 = self._get("/apis/v1beta1/healthz")
        if status_v1 == 200 and body_v1.lstrip().startswith("{"):
            raise DeployError(f"--host: {self.host} is a server of KFP v1; modelmill needs v2 (2.0 or newer)")
        raise DeployError(
            f"--host: {self.host} is no KFP server: {self.host}/apis/v2beta1/healthz answered {status}, not JSON. "
            "Give the URL of Kubeflow Pipelines, such as http://localhost:8080 of a port-forward"
        )

    def _get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        context = ssl.create_default_context(cafile=str(self._to.ca) if self._to.ca else None)
        if not self._to.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {self._to.token}"} if self._to.token else {}
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
    def _told(self, doing: str) -> Iterator[None]:
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
def _quiet() -> Iterator[None]:
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
