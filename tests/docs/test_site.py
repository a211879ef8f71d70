"""The docs become a site without a warning: `make docs`, in an environment of its own, if that can be fetched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


def test_the_docs_become_a_site(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists() or shutil.which("make") is None:
        pytest.skip("no uv, or no make")
    fetch = [str(uv), "venv", "-q", str(tmp_path / "venv")]
    subprocess.run(fetch, check=True, timeout=120)
    fetch = [str(uv), "pip", "install", "-q", "--python", str(tmp_path / "venv"), "--group", "docs"]
    if subprocess.run(fetch, cwd=ROOT, check=False, timeout=300).returncode:
        pytest.skip("mkdocs can't be fetched")
    # -o: the environment that the tests run in is set up, whatever `make setup` would say.
    places = [f"BIN={uv.parent}", f"SITE={tmp_path / 'site'}", f"DOCS_VENV={tmp_path / 'venv'}"]
    command = ["make", "-o", "setup", "docs", *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<table>" in (tmp_path / "site" / "data" / "index.html").read_text()
    assert "```" not in (tmp_path / "site" / "serving.html").read_text()
