"""Pods: a process in namespaces of its own, with a file system of its own, and nothing left when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("pod.sh")
CHECKOUT = Path(__file__).resolve().parents[3]
OWN_TMP = Path("/tmp")


def start(
    command: list[str], environment: dict[str, str], mounts: Mapping[Path, str], log: Path
) -> subprocess.Popen[Any]:
    """Start a pod; killing the process kills all of the pod.

    Args:
      command: of the container.
      environment: all that the container has.
      mounts: the path inside of the pod by the path here.
      log: takes what the container writes, after what is in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="pod-", dir=log.parent))
    (folder / "root").mkdir()
    lines = [f"{source}\t{target}\n" for source, target in {**_own_files(), **mounts}.items()]
    (folder / "mounts").write_text("".join(lines))
    # Without root's rights the pod has a user namespace in which it is root.
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    own = ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*own, "sh", str(SCRIPT), str(folder / "root"), str(folder / "mounts"), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def environment() -> dict[str, str]:
    """Return what the image's ENV sets: this Python first in the path, and the checkout that is under test."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    found = {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8"}
    if "PYTHONPATH" in os.environ:
        found["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return found


def _own_files() -> dict[Path, str]:
    """Return the files of this Python and checkout that lie where a pod has a folder of its own."""
    wanted = {CHECKOUT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    return {path: str(path) for path in wanted if path.is_relative_to(OWN_TMP)}
