"""S3 on loopback: moto's server, in the Python that has it, and a client for the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from pyarrow import fs

# As the Secret of Kubeflow's manifests has them; moto takes any.
ACCESS_KEY, SECRET_KEY, REGION = "minio", "minio123", "us-east-1"
START_SECONDS = 60


class ObjectStore:
    """A server with empty buckets; `files` reads and writes paths BUCKET/KEY.

    Args:
      log: of the server.
      buckets: that are made.
    """

    def __init__(self, log: Path, *buckets: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        server = os.environ.get("MOTO_SERVER") or shutil.which("moto_server")
        assert server, "MOTO_SERVER: not set; `make test-kubeflow-real` installs moto and sets it"
        with log.open("wb") as file:
            self._process: subprocess.Popen[Any] = subprocess.Popen(
                [server, "-H", "127.0.0.1", "-p", str(self.port)], stdout=file, stderr=subprocess.STDOUT
            )
        self._wait(log)
        self.files = fs.S3FileSystem(
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            region=REGION,
            endpoint_override=self.endpoint,
            scheme="http",
            allow_bucket_creation=True,
        )
        for bucket in buckets:
            self.files.create_dir(bucket)

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop the server; what it has is gone."""
        self._process.terminate()
        self._process.wait()

    def upload(self, folder: Path, uri: str) -> None:
        """Copy the files of a folder to minio://BUCKET/KEY; as in every object store, no object stands for a folder."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with self.files.open_output_stream(f"{_path(uri)}/{path.relative_to(folder)}", compression=None) as stream:
                stream.write(path.read_bytes())

    def download(self, uri: str, folder: Path) -> None:
        """Copy what lies under minio://BUCKET/KEY into a folder, as `mc mirror` does."""
        for found in self.files.get_file_info(fs.FileSelector(_path(uri), recursive=True)):
            if found.is_file:
                target = folder / str(Path(found.path).relative_to(_path(uri)))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.read(f"minio://{found.path}"))

    def read(self, uri: str) -> bytes:
        """Return an object."""
        with self.files.open_input_stream(_path(uri), compression=None) as stream:
            content: bytes = stream.read()
        return content

    def names(self, uri: str) -> list[str]:
        """Return the keys under a URI, relative to it."""
        found = self.files.get_file_info(fs.FileSelector(_path(uri), recursive=True, allow_not_found=True))
        return sorted(str(Path(one.path).relative_to(_path(uri))) for one in found if one.is_file)

    def _wait(self, log: Path) -> None:
        for _ in range(START_SECONDS * 10):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.1)
        raise TimeoutError(f"moto's server does not answer: {log.read_text()}")


def _path(uri: str) -> str:
    """Return BUCKET/KEY."""
    return uri.partition("://")[2].rstrip("/")
