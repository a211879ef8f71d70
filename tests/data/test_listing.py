"""Files of a data folder, with their labels, splits and groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelmill.data import modality
from modelmill.data.core import files
from modelmill.data.readers import file_listing
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.splits import SplitConfig

image = modality.look_up("image")


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def rows(root: Path, csv: str | None = None, **split: str) -> list[file_listing.Row]:
    return found(root, csv, **split).rows


def found(root: Path, csv: str | None = None, **split: str) -> file_listing.Listing:
    config = image.Config(path=str(root), height=8, width=8, csv=csv)
    return file_listing.list_files(str(root), image.PATTERN, config, SplitConfig.model_validate(split))


def test_class_folders(tmp_path: Path) -> None:
    make(
        tmp_path,
        "cat/1.png",
        "cat/.hidden",
        ".git/x",
        "cat/Thumbs.db",
        "dog/desktop.ini",
        "__MACOSX/x",
        "dog/2.png",
        "dog/Ω.png",
        "README.md",
    )
    assert [(row.path, row.label, row.split) for row in rows(tmp_path)] == [
        ("cat/1.png", "cat", None),
        ("dog/2.png", "dog", None),
        ("dog/Ω.png", "dog", None),
    ]


def test_what_can_hold_no_example_is_listed_with_the_reason(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "cat/more.png/2.png")
    Path(os.fsdecode(bytes(tmp_path / "cat") + b"/\xff.png")).write_bytes(b"x")
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nothing")
    problems = {file_listing.shown(row.path): row.problem for row in rows(tmp_path)}
    assert problems == {
        "cat/1.png": "",
        "cat/gone.png": "",  # reading it will tell
        "cat/more.png": "a folder, where a file was expected",
        "cat/\\xff.png": "its name is not UTF-8; rename it",
    }
    with pytest.raises(OSError):
        files.read(str(tmp_path / "cat" / "gone.png"))


def test_an_empty_class_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "dog/.hidden")
    with pytest.raises(BadDataError, match="dog: the class folder is empty"):
        rows(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "1.png")
    with pytest.raises(BadDataError, match="no files; expected one folder per class"):
        rows(tmp_path)


def test_splits_by_folders(tmp_path: Path) -> None:
    make(tmp_path, "train/cat/1.png", "eval/cat/2.png", "test/dog/3.png")
    assert [(row.path, row.label, row.split) for row in rows(tmp_path, by="folder")] == [
        ("train/cat/1.png", "cat", "train"),
        ("eval/cat/2.png", "cat", "eval"),
        ("test/dog/3.png", "dog", "test"),
    ]
    make(tmp_path, "tset/dog/4.png")
    with pytest.raises(BadDataError, match=r"unknown split 'tset'.*did you mean 'test'"):
        rows(tmp_path, by="folder")
    (tmp_path / "tset" / "dog" / "4.png").rename(tmp_path / "4.png")
    (tmp_path / "test").rename(tmp_path / ".test")
    with pytest.raises(BadDataError, match="no folder test"):
        rows(tmp_path, by="folder")


def test_splits_and_groups_by_a_column(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "labels.csv").write_text("path,part\ncat/1.png,train\ndog/2.png,eval\n")
    assert [row.split for row in rows(tmp_path, "labels.csv", by="column", column="part")] == ["train", "eval"]
    grouped = rows(tmp_path, "labels.csv", by="group", column="part")
    assert [(row.split, row.group) for row in grouped] == [(None, "train"), (None, "eval")]
    (tmp_path / "labels.csv").write_text("path,part\ncat/1.png,train\ndog/2.png,valid\n")
    with pytest.raises(BadDataError, match=r"dog/2.png: unknown split 'valid'"):
        rows(tmp_path, "labels.csv", by="column", column="part")
    with pytest.raises(BadDataError, match=r"no column 'prat'; its columns are path, part"):
        rows(tmp_path, "labels.csv", by="column", column="prat")


def test_groups_by_a_part_of_the_path(tmp_path: Path) -> None:
    make(tmp_path, "cat/ann-1.png", "cat/bob-1.png", "dog/ann-2.png")
    assert [row.group for row in rows(tmp_path, by="group", pattern=r"/(\w+)-")] == ["ann", "bob", "ann"]
    make(tmp_path, "cat/nobody.png")
    with pytest.raises(BadDataError, match=r"finds no group in the path of:\n  cat/nobody.png"):
        rows(tmp_path, by="group", pattern=r"/(\w+)-")


def test_the_fingerprint_tells_what_sizes_and_times_do_not(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "dog/2.png")

    def fingerprint() -> str:
        return found(tmp_path).fingerprint(str(tmp_path))

    before = fingerprint()
    assert fingerprint() == before
    (tmp_path / "cat" / "1.png").rename(tmp_path / "dog" / "1.png")
    make(tmp_path, "cat/3.png")
    moved = fingerprint()
    assert moved != before
    os.utime(tmp_path / "cat" / "3.png", (1, 1))
    assert fingerprint() not in (before, moved)


SECTIONS = [
    ({"by": "column"}, "needs 'column'"),
    ({"by": "group"}, "either 'column'.*or 'pattern'"),
    ({"column": "part"}, "takes no 'column'"),
    ({"by": "folder", "pattern": "x"}, "takes no 'pattern'"),
    ({"by": "group", "pattern": "("}, "a regular expression"),
]


@pytest.mark.parametrize(("section", "message"), SECTIONS)
def test_a_section_that_contradicts_itself_is_refused(section: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitConfig.model_validate(section)
