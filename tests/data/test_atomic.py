"""Writing whole or not at all: what others see while it is written, and what is left when it fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelmill.data.core.atomic import staged, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize(("content", "written"), [("é\n", "é\n".encode()), (b"\0\xff", b"\0\xff")])
def test_a_file_is_written_and_replaces_the_one_that_stood_there(
    tmp_path: Path, content: str | bytes, written: bytes
) -> None:
    for _ in range(2):
        write_atomically(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == written and names(tmp_path) == ["file"]


def test_a_file_stays_as_it_is_when_the_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "\ud800")
    with pytest.raises(RuntimeError), staged(tmp_path / "file") as staging:
        staging.write_text("ne")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old" and names(tmp_path) == ["file"]


def test_no_folder_is_made_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "file", "text")
    assert names(tmp_path) == []


def test_a_folder_appears_when_all_of_it_is_made(tmp_path: Path) -> None:
    with staged(tmp_path / "data") as staging:
        staging.mkdir()
        (staging / "1.txt").write_text("1")
        assert not (tmp_path / "data").exists() and staging.parent == tmp_path and staging.name.startswith(".")
    assert names(tmp_path) == ["data"] and names(tmp_path / "data") == ["1.txt"]
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o777 & ~umask(), "others may read it, if the umask says so"


def test_a_folder_that_stands_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "data" / "old").mkdir(parents=True)
    with pytest.raises(OSError), staged(tmp_path / "data") as staging:
        staging.mkdir()
    assert names(tmp_path) == ["data"] and names(tmp_path / "data") == ["old"]


def test_a_link_is_moved_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    for target in ("first", "second"):
        (tmp_path / target).mkdir()
        with staged(tmp_path / "latest") as link:
            link.symlink_to(target)
    assert os.readlink(tmp_path / "latest") == "second"
    with pytest.raises(RuntimeError), staged(tmp_path / "latest") as link:
        link.symlink_to("first")
        raise RuntimeError
    assert names(tmp_path) == ["first", "latest", "second"] and os.readlink(tmp_path / "latest") == "second"


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    with staged(tmp_path / "file") as first, staged(tmp_path / "file") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "file").read_text() == "first" and names(tmp_path) == ["file"]


def umask() -> int:
    """That of this process, which can only be read by setting it."""
    found = os.umask(0o022)
    os.umask(found)
    return found
