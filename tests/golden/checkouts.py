"""Where a checkout's program is found, what decides the last bits of what it computes, and a copy of another commit.

What changes when the repository's files move stands here alone: `program`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "components", "data")
# The package `modelmill` itself, where the other packages are imported as parts of it.
PUBLIC = Path("pipeline", "public")


def program(checkout: Path, scratch: Path) -> tuple[Path, str]:
    """Return the import path of a checkout's packages, and the module that `python -m` runs as its command line.

    Args:
      checkout: a folder with `pipeline`, `components` and `data`.
      scratch: takes a folder of links, where the packages are imported under another name than their folder's.

    Raises:
      FileNotFoundError: there is no command line.
    """
    checkout = checkout.resolve()
    if (checkout / PUBLIC).is_dir():
        namespace = scratch / "links" / "modelmill"
        namespace.mkdir(parents=True)
        for target in [*(checkout / PUBLIC).iterdir(), *(checkout / package for package in PACKAGES)]:
            if target.name != "__pycache__":
                (namespace / target.name).symlink_to(target)
        has_main = (checkout / PUBLIC / "__main__.py").is_file()
        return namespace.parent, "modelmill" if has_main else "modelmill.pipeline"
    if not (checkout / "pipeline" / "__main__.py").is_file():
        raise FileNotFoundError(f"{checkout}: no modelmill; found neither {PUBLIC}/ nor pipeline/__main__.py")
    return checkout, "pipeline"


def environment() -> dict[str, str | int]:
    """Return what decides the last bits of a result besides the source: CPU flags, threads, and locked packages."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return {
        "cpu_flags": _digest(" ".join(sorted(flags)).encode()),
        "threads": len(os.sched_getaffinity(0)),
        # Of this checkout, whose environment runs the other one, too.
        "lock": _digest("\n".join(_packages(ROOT / "requirements.lock")).encode()),
    }


def export(commit: str, folder: Path) -> Path:
    """Write the files of a commit of this repository into an empty folder.

    Raises:
      SystemExit: there is no such commit.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", f"--output={archive}", commit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"BASE={commit}: give a commit of this repository; git says: {done.stderr.strip()}")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="tar")
    archive.unlink()
    return folder


def _packages(lock: Path) -> list[str]:
    """Return the lines of a lock file without its comments, which say who wants a package."""
    lines = (line.strip() for line in lock.read_text().splitlines())
    return [line for line in lines if not line.startswith("#")]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
