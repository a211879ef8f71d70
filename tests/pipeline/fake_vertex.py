"""The part of Vertex AI's REST API that `submit` uses, on loopback.

It implements creating and getting pipeline jobs, and creating schedules. It takes what Google's client sends as the
protobuf messages that they are, keeps it, and can refuse, fail, and break the connection.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.pipeline.fake_http import FakeServer

PARENT = r"/v1/(projects/[^/]+/locations/[^/]+)"


class FakeVertexServer(FakeServer):
    """The server.

    Attributes:
      outcome: states of a run, one a question; the last one stays.
      tasks: PipelineTaskDetails of the run, in the API's JSON form.
      error: message of a run that failed.
      jobs: PipelineJobs that were created, by full name; schedules: of the schedules.
    """

    FAULT = {"error": {"code": 500, "message": "something is wrong with the database", "status": "INTERNAL"}}

    def __init__(self, token: str | None = None, certificate: Path | None = None) -> None:
        super().__init__(token, certificate)
        self.outcome = ["SUCCEEDED"]
        self.tasks: list[dict[str, Any]] = []
        self.error = ""
        self.jobs: dict[str, Any] = {}
        self.schedules: list[Any] = []
        self._asked = 0

    def answer(self, method: str, path: str, query: str, allowed: bool, body: Any) -> tuple[int, Any]:
        """See FakeServer."""
        from google.cloud import aiplatform_v1

        if not allowed:
            return 401, _error(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")
        if method == "POST" and (found := re.fullmatch(f"{PARENT}/pipelineJobs", path)):
            name = f"{found[1]}/pipelineJobs/{parse_qs(query)['pipelineJobId'][0]}"
            if name in self.jobs:
                return 409, _error(409, f"{name} exists", "ALREADY_EXISTS")
            job = aiplatform_v1.PipelineJob.from_json(json.dumps(body))
            job.name = name
            self.jobs[name], self._asked = job, 0
            return 200, json.loads(aiplatform_v1.PipelineJob.to_json(job))
        if method == "POST" and (found := re.fullmatch(f"{PARENT}/schedules", path)):
            schedule = aiplatform_v1.Schedule.from_json(json.dumps(body))
            schedule.name = f"{found[1]}/schedules/{len(self.schedules) + 1}"
            self.schedules.append(schedule)
            return 200, json.loads(aiplatform_v1.Schedule.to_json(schedule))
        if method == "GET" and path.removeprefix("/v1/") in self.jobs:
            state = self.outcome[min(self._asked, len(self.outcome) - 1)]
            self._asked += 1
            job = {"name": path.removeprefix("/v1/"), "state": f"PIPELINE_STATE_{state}"}
            if self.error and state == "FAILED":
                job["error"] = {"code": 9, "message": self.error}
            return 200, {**job, "jobDetail": {"taskDetails": self.tasks}}
        return 404, _error(404, f"there is no {path}", "NOT_FOUND")


def _error(code: int, message: str, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}
