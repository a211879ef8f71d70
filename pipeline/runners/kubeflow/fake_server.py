"""A KFP API server of a hundred lines, on loopback: to try `submit` and its errors without a cluster.

    with FakeKfpServer(token="secret") as server:
        server.outcome = ["RUNNING", "SUCCEEDED"]
        ...  # modelmill submit --host {server.url}

It implements what kfp's client and ours use of the v2beta1 REST API: healthz, experiments, runs and recurring runs.
It keeps what it was sent, and can refuse, fail, and break the connection.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

BREAK = 0
API = "/apis/v2beta1"


class FakeKfpServer:
    """The server; use it as a context.

    Args:
      token: what a client has to send; anything does if absent.
      certificate: PEM file of key and certificate; plain HTTP if absent.
      kind: which API it has; "none" is some other web server.
      multi_user: as its health check tells.

    Attributes:
      outcome: states of a run, one a question; the last one stays.
      tasks: what is told of the run's tasks, in the API's JSON form.
      error: message of a run that failed.
      faults: (method and beginning of the path, status) of requests that fail, each once; status BREAK breaks the
        connection.
      requests: (method, path) of all that came.
      runs: bodies of the runs that were started; recurring: of the schedules.
    """

    def __init__(
        self,
        token: str | None = None,
        certificate: Path | None = None,
        kind: Literal["v2", "v1", "none"] = "v2",
        multi_user: bool = False,
    ) -> None:
        self.outcome = ["SUCCEEDED"]
        self.tasks: list[dict[str, Any]] = []
        self.error = ""
        self.faults: list[tuple[str, int]] = []
        self.requests: list[tuple[str, str]] = []
        self.runs: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.experiments: list[dict[str, Any]] = []
        self._token, self._kind, self._multi_user = token, kind, multi_user
        self._asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, token: str | None, body: Any) -> tuple[int, Any]:
        """Status and JSON of a request, or a text; status BREAK asks for a broken connection."""
        self.requests.append((method, path))
        for fault in self.faults:
            if f"{method} {path}".startswith(fault[0]):
                self.faults.remove(fault)
                return fault[1], {"code": 13, "message": "something is wrong with the database"}
        if self._kind == "none":
            return 200, "<html>hello</html>"
        if path == ("/apis/v1beta1/healthz" if self._kind == "v1" else f"{API}/healthz"):
            return (401, "") if not self._allows(token) else (200, {"multi_user": self._multi_user})
        if self._kind == "v1" or not path.startswith(API):
            return 404, {"message": "Not Found"}
        if not self._allows(token):
            return 401, {"code": 16, "message": "Request header error: there is no user identity header"}
        return self._api(method, path.removeprefix(API), body)

    def _allows(self, token: str | None) -> bool:
        return self._token is None or token == f"Bearer {self._token}"

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
            run = {"run_id": path[6:], "state": state, "run_details": {"task_details": self.tasks}}
            if self.error and state == "FAILED":
                run["error"] = {"code": 13, "message": self.error}
            return 200, run
        return 404, {"code": 5, "message": f"there is no {path}"}


def _handler(server: FakeKfpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = urlsplit(self.path).path
            status, content = server.answer(self.command, path, self.headers.get("Authorization"), body)
            if status == BREAK:
                self.close_connection = True
                return
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: tests read `requests`."""

    return Handler
