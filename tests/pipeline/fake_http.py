"""A web server on loopback that answers as a service would: the part that is common to the fakes."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

BREAK = 0


class Text(str):
    """An answer of plain text; a plain str is a page."""


class FakeServer:
    """The server; use it as a context.

    Args:
      token: what a client has to send; anything does if absent.
      certificate: PEM file of key and certificate; plain HTTP if absent.

    Attributes:
      faults: (method and beginning of the path, status) of requests that fail, each once; status BREAK breaks the
        connection.
      requests: (method, path) of all that came.
    """

    # What is sent with a fault.
    FAULT: Any = None

    def __init__(self, token: str | None = None, certificate: Path | None = None) -> None:
        self.faults: list[tuple[str, int]] = []
        self.requests: list[tuple[str, str]] = []
        self._token = token
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

    def take(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, Any]:
        """Status and JSON of a request, or a text; status BREAK asks for a broken connection."""
        parts = urlsplit(url)
        self.requests.append((method, parts.path))
        for fault in self.faults:
            if f"{method} {parts.path}".startswith(fault[0]):
                self.faults.remove(fault)
                return fault[1], self.FAULT
        return self.answer(
            method, parts.path, parts.query, self._token in (None, (token or "").removeprefix("Bearer ")), body
        )

    def answer(self, method: str, path: str, query: str, allowed: bool, body: Any) -> tuple[int, Any]:
        """As `take`; `allowed` says whether the token was right."""
        raise NotImplementedError


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = _body(self.rfile.read(length), self.headers.get("Content-Type") or "")
            status, content = server.take(self.command, self.path, self.headers.get("Authorization"), body)
            if status == BREAK:
                self.close_connection = True
                return
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            kind = "text/html" if isinstance(content, str) else "application/json"
            self.send_header("Content-Type", "text/plain" if isinstance(content, Text) else kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: tests read `requests`."""

    return Handler


def _body(content: bytes, kind: str) -> Any:
    """JSON as it is, an uploaded file as bytes; None if there is neither."""
    return (content if kind.startswith("multipart/") else json.loads(content)) if content else None
