"""A KFP API server of a hundred lines, on loopback: to try `submit` and its errors without a cluster.

    with FakeKfpServer(token="secret") as server:
        server.outcome = ["RUNNING", "SUCCEEDED"]
        ...  # modelmill submit --host {server.url}

It implements what kfp's client and ours use of the v2beta1 REST API: healthz, experiments, runs and recurring runs.
As the real one it says nothing of why a task failed: that stands in the log of its pod alone, whose Argo node the task
names as a child. It keeps what it was sent, and can refuse, fail, and break the connection.
"""

from __future__ import annotations

import json
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
      pipelines: names of the versions by name of the pipeline; changed: (run, what was done to it).
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
        self.pipelines: dict[str, list[str]] = {}
        self.changed: list[tuple[str, str]] = []
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
        return self._api(method, path.removeprefix(API), query, body)

    def _pipelines(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """Pipelines by name, each with the names of its versions."""
        given = {key: values[0] for key, values in parse_qs(query).items()}
        ids = {name: f"pipeline-{place}" for place, name in enumerate(self.pipelines, 1)}
        if method == "GET":
            wanted = json.loads(given["filter"])["predicates"][0]["stringValue"]
            found = [{"pipeline_id": ids[wanted], "display_name": wanted}] if wanted in ids else []
            return 200, {"pipelines": found}
        assert b"pipelineInfo" in body, "the file itself"
        if path == "/pipelines/upload":
            self.pipelines[given["name"]] = []
            return 200, {"pipeline_id": f"pipeline-{len(self.pipelines)}", "display_name": given["name"]}
        name = next(name for name, one in ids.items() if one == given["pipelineid"])
        self.pipelines[name].append(given["name"])
        return 200, {"pipeline_id": ids[name], "pipeline_version_id": f"version-{len(self.pipelines[name])}"}

    def _change(self, place: int, change: str | None) -> tuple[int, Any]:
        """Enable, disable or delete a schedule."""
        if change:
            self.recurring[place]["status"] = f"{change.upper()}D"
        else:
            del self.recurring[place]
        return 200, {}

    def _pod(self, path: str, query: str) -> str | None:
        """Return the pod whose log is asked for."""
        if self.pages:
            return parse_qs(query)["podname"][0] if path == "/k8s/pod/logs" else None
        found = re.fullmatch(r"/apis/v1alpha1/runs/run-\d+/nodes/([^/]+)/log", path)
        return found[1] if found else None

    def _api(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
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
            body = {**body, "recurring_run_id": f"recurring-{len(self.recurring) + 1}", "status": "ENABLED"}
            self.recurring.append(body)
            return 200, body
        if path.startswith("/pipelines"):
            return self._pipelines(method, path, query, body)
        if (method, path) == ("GET", "/recurringruns"):
            return 200, {"recurringRuns": self.recurring}
        if found := re.fullmatch(r"/recurringruns/recurring-(\d+)(?::(enable|disable))?", path):
            return self._change(int(found[1]) - 1, found[2])
        if found := re.fullmatch(r"/runs/(run-\d+):(terminate|retry|archive)", path):
            self.changed.append((found[1], found[2]))
            return 200, {}
        if (method, path) == ("GET", "/runs"):
            run = {"display_name": "digits", "state": self.outcome[-1], "created_at": CREATED}
            return 200, {"runs": [{**run, "run_id": f"run-{place + 1}"} for place in range(len(self.runs))]}
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
