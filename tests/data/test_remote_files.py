"""Files that only TensorFlow reads: its errors are OSErrors, and a scheme that it lacks is told as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modelmill.data.core import files
from modelmill.data.core.fetch import resolve

CALLS: list[Callable[[str], object]] = [
    files.entries,
    files.read,
    files.is_file,
    files.check_readable,
    files.names,
    lambda path: files.write(path, b"x"),
    lambda path: files.stream(path).read(),
    lambda path: files.stream(path).seek(0, 2),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_scheme_that_tensorflow_lacks_is_told_with_those_it_has(call: Callable[[str], object]) -> None:
    wanted = r"^s3://lake/x: TensorFlow has no file system for s3://; allowed: a path, gs://, ram://; do: copy"
    with pytest.raises(files.RemoteFileError, match=wanted):
        call("s3://lake/x")


def test_what_is_not_there() -> None:
    for call in (files.entries, files.read, files.check_readable):
        with pytest.raises(FileNotFoundError, match=r"^ram://nothing/x: "):
            call("ram://nothing/x")
    assert files.names("ram://nothing/x") == []
    assert files.is_file("ram://nothing/x") is False
    assert files.state("s3://lake/x") == (-1, -1)


def test_what_is_there(tmp_path: Path) -> None:
    files.write("ram://some/folder/a.txt", b"text")
    assert files.entries("ram://some/folder/") == [files.Entry("a.txt", False)]
    files.check_readable("ram://some/folder/")
    files.check_readable(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        files.check_readable(str(tmp_path / "x"))


def test_a_file_to_begin_with_is_named_once() -> None:
    with pytest.raises(FileNotFoundError, match=r"^minio://b/x.h5: TensorFlow has no file system for minio://"):
        resolve.locate("minio://b/x.h5")
