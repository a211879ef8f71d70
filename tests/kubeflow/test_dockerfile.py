"""The Dockerfile, as far as can be told without Docker; dockerfile.py runs its steps in a chroot."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.kubeflow import dockerfile

HERE = Path(__file__).resolve().parents[2]
STEPS = dockerfile.instructions((HERE / "Dockerfile").read_text(encoding="utf-8"))
LET_THROUGH = {
    line[1:].strip("/") for line in (HERE / ".dockerignore").read_text().splitlines() if line.startswith("!")
}


def test_what_is_copied_is_there_and_let_through() -> None:
    for name, rest in STEPS:
        if name == "COPY" and not rest.startswith("--from"):
            for source in shlex.split(rest)[:-1]:
                assert source == "." or source.strip("/") in LET_THROUGH, source
    assert all((HERE / name).exists() for name in LET_THROUGH)


def test_what_the_wheel_is_built_of_is_let_through() -> None:
    assert {"setup.py", "pyproject.toml", "LICENSE", "pipeline", "components", "data"} <= LET_THROUGH


def test_the_image_runs_as_nobody_in_particular_and_has_no_compiler() -> None:
    last = len(STEPS) - [name for name, _ in reversed(STEPS)].index("FROM")
    final = STEPS[last:]
    assert ("USER", "1000") in final
    assert not any("apt-get" in rest or "pip" in rest for name, rest in final if name == "RUN")
    assert dict(final)["ENTRYPOINT"] == '["modelmill"]'


def test_the_base_has_a_c_library_that_is_new_enough() -> None:
    base = next(rest for name, rest in STEPS if name == "ARG" and rest.startswith("PYTHON="))
    assert base == "PYTHON=python:3.11-slim-trixie"


def run(*command: str) -> str:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=HERE).stdout


def test_tools_come_from_the_lock_with_their_hashes() -> None:
    found = run(".ci/docker/locked.py", "uv", "setuptools")
    assert re.findall(r"^(\w+)==", found, re.MULTILINE) == ["uv", "setuptools"]
    assert "--hash=sha256:" in found


def test_what_only_developers_need_is_taken_out() -> None:
    found = run(".ci/docker/unneeded.py", "pyproject.toml").split()
    assert {"ruff", "mypy", "pytest", "uv"} <= set(found)
    assert not {"tfx", "tensorflow", "kfp", "kfp-pipeline-spec", "apache-beam", "google-cloud-storage"} & set(found)


def test_an_unknown_accelerator_is_refused() -> None:
    done = subprocess.run(
        ["sh", ".ci/docker/accelerator.sh", "gpus", "uv", sys.executable], capture_output=True, text=True, cwd=HERE
    )
    assert done.returncode == 1
    assert "give cpu, gpu or tpu" in done.stderr
