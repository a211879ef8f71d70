"""The wheel: its files, and what a user runs of it, from a folder whose files have the names of our packages.

By default it stands beside the locked packages. `make test-wheel` resolves its dependencies afresh instead, as `pip
install modelmill` would today, which takes the network and some minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FRESH = bool(os.environ.get("FRESH_DEPENDENCIES"))
PACKAGES = ("pipeline", "components", "data")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# What lies where the user works; each raises when it is imported. `random.py` would be taken in place of Python's.
HOSTILE = ("pipeline.py", "components.py", "data/__init__.py", "modelmill/__init__.py", "modelmill/data/__init__.py")
HOSTILE += ("random.py",)
# Train for an epoch and try two chains side by side: these are child processes, and children of a child.
USER_SCRIPT = """
from modelmill import load_experiment, run

if __name__ == "__main__":
    settings = {
        "train.epochs": 1,
        "evaluate.threshold": 0,
        "compress.chains": [["int8"], ["float16"]],
        "compress.max_drop": 1,
        "compress.margin": 1,
        "compress.workers": 2,
    }
    found = run(load_experiment("digits-cnn", settings), last="compress", quiet=True)
    print(found.status, *sorted(f"{trial.chain}:{trial.status}" for trial in found.trials))
"""

Execute = Callable[..., str]


def tracked(*paths: str) -> list[str]:
    """Files that Git knows and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *paths], cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in listed.decode().split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in a copy: in the checkout setuptools also packs what an earlier build has left in build/lib."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked(*PACKAGES, "setup.py", "pyproject.toml", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, "-P", "-c", BUILD, built], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = built.iterdir()
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that has the wheel."""
    home = ROOT / "build" / "wheel-env" if FRESH else tmp_path_factory.mktemp("environment")
    shutil.rmtree(home, ignore_errors=True)
    python = home / "bin" / "python"
    python.parent.mkdir(parents=True)
    # A copy of this Python, not one made by `venv`: where the system's C library is too old for TFX, `make setup` has
    # given this one a newer.
    shutil.copy(sys.executable, python)
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), home)
    packages = home / sysconfig.get_path("purelib", vars={"base": ""}).lstrip("/")
    packages.mkdir(parents=True)
    how = []
    if not FRESH:
        # Adds the locked packages. Python reads no .pth file in a folder that is added so: the editable install of
        # this checkout, which is one, is not found.
        (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
        how = ["--no-deps", "--offline"]
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *how, wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def execute(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Execute:
    """Runs a program of the environment in the hostile folder; gives what it prints."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in HOSTILE:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text('raise ImportError(f"{__file__} was imported")\n')
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TF_", "MODELMILL"))}

    def run(program: str, *arguments: str | Path, **variables: str) -> str:
        done = subprocess.run(
            [environment / "bin" / program, *arguments],
            cwd=folder,
            env={**kept, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,  # Beam waits for ever for workers that have died
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    mapped = {f"modelmill/{name}".replace("modelmill/pipeline/public/", "modelmill/") for name in tracked(*PACKAGES)}
    assert packed - mapped == set()
    assert mapped - packed == set(), "not packed: is there an __init__.py, or a line in pyproject.toml's package-data?"


def test_it_is_the_wheel_that_runs(execute: Execute, environment: Path) -> None:
    names = ("modelmill", "modelmill.pipeline", "modelmill.components", "modelmill.data")
    code = f"import importlib, sys\nfor name in {names}: print(importlib.import_module(name).__file__)"
    for file in execute("python", "-P", "-c", code).split():
        assert Path(file).is_relative_to(environment)


def test_what_a_user_reads_first(execute: Execute) -> None:
    assert "Usage: modelmill" in execute("modelmill", "--help")
    assert execute("modelmill", "--version").startswith("modelmill ")
    assert execute("python", "-P", "-m", "modelmill", "--version").startswith("modelmill ")
    assert "digits-cnn" in execute("modelmill", "list")
    assert "family: cnn" in execute("modelmill", "show", "digits-cnn")
    typed = {"_MODELMILL_COMPLETE": "complete_bash", "COMP_WORDS": "modelmill run digits", "COMP_CWORD": "2"}
    assert "digits-cnn" in execute("modelmill", **typed)


def test_data_is_ingested_and_transformed_then_the_python_api_trains_and_compresses(
    execute: Execute, tmp_path: Path
) -> None:
    assert "ingest: done" in (ran := execute("modelmill", "run", "digits-cnn", "--to", "transform")), ran
    assert "transform: done" in ran
    script = tmp_path / "script.py"
    script.write_text(USER_SCRIPT)
    assert execute("python", script).split() == ["partial", "float16:ok", "int8:ok"]


def test_beams_own_workers_run(execute: Execute) -> None:
    beam = ["--runner=FnApiRunner", "--sdk_container_image=unused", "--direct_running_mode=multi_processing"]
    ran = execute("modelmill", "run", "digits-cnn", "--to", "ingest", "--set", f"run.beam={json.dumps(beam)}")
    assert "ingest: done" in ran
