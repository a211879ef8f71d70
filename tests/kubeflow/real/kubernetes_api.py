"""The Kubernetes API, as far as driver and launcher ask it: objects of one namespace, read over HTTPS."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "kubeflow"


class KubernetesApi:
    """Serves ConfigMaps, Secrets and Pods; `service_account` is the folder that Kubernetes mounts into every pod."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.service_account = folder / "serviceaccount"
        self.service_account.mkdir(parents=True)
        (self.service_account / "token").write_text("token")
        (self.service_account / "namespace").write_text(NAMESPACE)
        key = folder / "key.pem"
        _write_certificate(self.service_account / "ca.crt", key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.service_account / "ca.crt", key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True, name="Kubernetes API").start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def config_map(self, name: str, data: dict[str, str]) -> None:
        """Add a ConfigMap."""
        self._add("configmaps", "ConfigMap", name, {"data": data})

    def secret(self, name: str, data: dict[str, str]) -> None:
        """Add a Secret."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self._add("secrets", "Secret", name, {"data": encoded})

    def pod(self, name: str, attempt: int) -> None:
        """Add a Pod of Argo's; its annotation tells the launcher which attempt it is."""
        annotations = {"workflows.argoproj.io/node-name": f"{name}({attempt})"}
        self._add("pods", "Pod", name, {}, annotations=annotations)

    def secret_value(self, name: str, key: str) -> str:
        """Return a value of a Secret, as a pod's environment has it."""
        return base64.b64decode(self.objects[f"secrets/{name}"]["data"][key]).decode()

    def _add(self, path: str, kind: str, name: str, content: dict[str, Any], **metadata: Any) -> None:
        head = {"kind": kind, "apiVersion": "v1", "metadata": {"name": name, "namespace": NAMESPACE, **metadata}}
        self.objects[f"{path}/{name}"] = {**head, **content}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        objects = self.objects

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Answer with the object or with 404, as the API does."""
                name = self.path.partition("?")[0].rpartition(f"/namespaces/{NAMESPACE}/")[2]
                found = objects.get(name)
                missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
                body = json.dumps(found or missing).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep the test's output free of requests."""

        return Handler


def _write_certificate(certificate: Path, key_file: Path) -> None:
    """Write a certificate of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
