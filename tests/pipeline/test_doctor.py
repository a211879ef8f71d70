"""The doctor finds nothing on a machine where the tests run, and names what is wrong where something is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelmill.pipeline.preflight import doctor


def run(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "modelmill", "doctor", "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_it_looks_at_everything_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run(tmp_path / "runs")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("Python", "packages", "C library", "disk", "memory", "devices", "TFX", "Beam runner", "metadata"):
        assert name in done.stdout
    assert "tfx 1.21" in done.stdout and "auto is" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_root_that_cannot_be_written_is_exit_1_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    done = run(tmp_path / "runs")
    assert done.returncode == 1
    assert "WRONG metadata store" in done.stdout and "give another --root" in done.stdout
    assert "1 of these would break a run" in done.stderr


def test_a_library_that_does_not_load_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorflow.py").write_text("import os, signal\nprint('GLIBC_2.38 not found', flush=True)\n")
    torn = "import os, signal, sys\nprint('torn', file=sys.stderr, flush=True)\nos.kill(os.getpid(), signal.SIGABRT)\n"
    (tmp_path / "tfx.py").write_text(torn)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    findings = list(doctor._in_a_child(tmp_path))
    assert [finding.name for finding in findings] == ["TensorFlow", "devices", "loading"]
    assert all(finding.state == "wrong" and finding.do for finding in findings)
    assert "ended with -6; last it said: torn" in findings[-1].found


def test_little_room_and_an_old_library_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state, found, todo = doctor._enough(500_000_000, 2, "0.5 GB free", "make room")
    assert (state, found, todo) == ("wrong", "0.5 GB free; needed are 2", "make room")
    monkeypatch.setattr("os.confstr", lambda name: "glibc 2.36")
    old = doctor._c_library()
    assert old.state == "wrong" and "2.38" in old.do
