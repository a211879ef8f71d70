"""A client's file is held to what a device has, by its source: it is pushed without modelmill."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.components.load_check import bundle
from modelmill.data import modality
from modelmill.data.core import client_imports, plugins
from modelmill.data.modalities import series


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import modelmill", "line 1: it imports 'modelmill'"),
        ("x = 1\ndef f():\n    from modelmill.data import spec", "line 3: it imports 'modelmill.data'"),
        ("from . import modality", "line 1: it imports '.'"),
        ("from .manifest import NAME", "line 1: it imports '.manifest'"),
        ("import os, PIL.Image", "it imports 'PIL.Image'.*: allowed are the standard library and numpy; name another"),
        ("REQUIRES = ('PIL',)\nimport PIL.Image, scipy", "it imports 'scipy'.* library and numpy, PIL; name another"),
        ("REQUIRES = 'PIL'", "line 1: REQUIRES must be a tuple of names"),
        ("REQUIRES = tuple(names)", "line 1: REQUIRES must be a tuple of names"),
        ("x = 1\nimport ==", "line 2: invalid syntax"),
        ("import numpy", "does not define REQUIRES, answer"),
    ],
)
def test_what_a_device_has_not_got_is_named(source: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    file.write_text(source)
    found = client_imports.problem(file, ("REQUIRES", "answer"))
    assert found.startswith(str(file)) and re.search(says, found)


def test_what_it_has_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    file.write_text("from __future__ import annotations\nimport json, numpy.typing\nREQUIRES: tuple = ('PIL',)\n")
    assert client_imports.problem(file, ("REQUIRES",)) == ""
    file.write_text(file.read_text() + "from PIL import Image\ndef answer(): ...\n")
    assert client_imports.problem(file, ("REQUIRES", "answer")) == ""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """The folder of an own modality: a copy of ours."""
    folder = tmp_path / "own" / "modalities" / "mine"
    shutil.copytree(series.__path__[0], folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.py"):
        file.write_text(file.read_text().replace("modalities.series", "modalities.mine"))
    plugins.use(tmp_path / "own")
    yield folder
    plugins.forget(tmp_path / "own")


def test_an_own_modality_has_its_client_pushed_or_refused(own: Path, tmp_path: Path) -> None:
    pushed = tmp_path / "pushed"
    pushed.mkdir()
    bundle.write_client(pushed, "mine", "regression")
    assert (pushed / "client" / "modality.py").read_bytes() == (own / "client.py").read_bytes()
    assert "modelmill.data.modalities.mine.client" in bundle.client_sources("mine", "regression")
    (own / "client.py").write_text((own / "client.py").read_text() + "import modelmill\n")
    with pytest.raises(plugins.PlugInError, match=r"modality mine: .*client\.py, line \d+: it imports 'modelmill'"):
        modality.look_up("mine")
