"""A KFP API server of a hundred lines, on loopback: to try `submit` and its errors without a cluster.

    with FakeKfpServer(token="secret") as server:
        server.outcome = ["RUNNING", "SUCCEEDED"]
        ...  # modelmill submit --host {server.url}

It implements what kfp's client and ours use of the v2beta1 REST API: healthz, experiments, runs and recurring runs.
As the real one it says nothing of why a task failed: that stands in the log of its pod alone, whose Argo node the task
names as a child. It keeps what it was sent, and can refuse, fail, and break the connection.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs

from tests.pipeline.fake_http import FakeServer, Text

API = "/apis/v2beta1"
CREATED = "2026-11-30T12:00:00Z"


class FakeKfpServer(FakeServer):
    """The server; what it has in common with the other is told there.

    Args:
      token, certificate: see FakeServer.
      kind: which API it has; "none" is some other web server.
      multi_user: as its health check tells.

    Attributes:
      outcome: states of a run, one a question; the last one stays.
      tasks: what is told of the run's tasks, in the API's JSON form.
      logs: of pods, by their names.
      pages: whether the server of KFP's pages stands before the API's; else the API server gives logs itself.
      runs: bodies of the runs that were started; recurring: of the schedules.
    """

    FAULT = {"code": 13, "message": "something is wrong with the database"}

    def __init__(
        self,
        token: str | None = None,
        certificate: Path | None = None,
        kind: Literal["v2", "v1", "none"] = "v2",
        multi_user: bool = False,
    ) -> None:
        super().__init__(token, certificate)
        self.outcome = ["SUCCEEDED"]
        self.tasks: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.pages = True
        self.runs: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.experiments: list[dict[str, Any]] = []
        self._kind, self._multi_user = kind, multi_user
        self._asked = 0

    def answer(self, method: str, path: str, query: str, allowed: bool, body: Any) -> tuple[int, Any]:
        """See FakeServer."""
        if self._kind == "none":
            return 200, "<html>hello</html>"
        if path == ("/apis/v1beta1/healthz" if self._kind == "v1" else f"{API}/healthz"):
            return (401, "") if not allowed else (200, {"multi_user": self._multi_user})
        if self._kind == "v2" and (pod := self._pod(path, query)):
            found = allowed and pod in self.logs
            return (200, Text(self.logs[pod])) if found else (500, "Could not get main container logs")
        if self._kind == "v1" or not path.startswith(API):
            return 404, {"message": "Not Found"}
        if not allowed:
            return 401, {"code": 16, "message": "Request header error: there is no user identity header"}
        return self._api(method, path.removeprefix(API), body)

    def _pod(self, path: str, query: str) -> str | None:
        """Return the pod whose log is asked for."""
        if self.pages:
            return parse_qs(query)["podname"][0] if path == "/k8s/pod/logs" else None
        found = re.fullmatch(r"/apis/v1alpha1/runs/run-\d+/nodes/([^/]+)/log", path)
        return found[1] if found else None

    def _api(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if (method, path) == ("GET", "/experiments"):
            return 200, {"experiments": self.experiments}
        if (method, path) == ("POST", "/experiments"):
            self.experiments.append({**body, "experiment_id": f"experiment-{len(self.experiments) + 1}"})
            return 200, self.experiments[-1]
        if (method, path) == ("POST", "/runs"):
            self.runs.append(body)
            self._asked = 0
            return 200, {**body, "run_id": f"run-{len(self.runs)}", "state": "PENDING"}
        if (method, path) == ("POST", "/recurringruns"):
            self.recurring.append(body)
            return 200, {**body, "recurring_run_id": f"recurring-{len(self.recurring)}"}
        if method == "GET" and re.fullmatch(r"/runs/run-\d+", path):
            state = self.outcome[min(self._asked, len(self.outcome) - 1)]
            self._asked += 1
            started = self.runs[int(path.rpartition("-")[2]) - 1] if self.runs else {}
            run = {
                **started,
                "run_id": path[6:],
                "state": state,
                "created_at": CREATED,
                "run_details": {"task_details": self.tasks},
            }
            return 200, run
        return 404, {"code": 5, "message": f"there is no {path}"}
