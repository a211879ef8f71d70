"""The CSV of a data folder: typed columns, and wrong rows by their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelmill.data.readers import labels_csv
from modelmill.data.readers.labels_csv import BadDataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files in two class folders, and one outside."""
    for name in ("data/cat/1.png", "data/cat/2.png", "data/dog/3.png", "data/dog/4.png", "outside/5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "data"


def read(folder: Path, *lines: str, decides: str | None = None) -> labels_csv.Table:
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return labels_csv.read(str(folder), "labels.csv", decides)


def test_columns_are_typed_by_what_they_hold(folder: Path) -> None:
    found = read(
        folder,
        "path,label,age,weight,camera,code,empty",
        "cat/1.png,tom,3,1e3,left,007,",
        "cat/2.png,tom,-4,.5,nan,1,",
        "",
        'dog/3.png,"rex, the dog",,2,"a ""b""",2,',
    )
    assert found.kinds == {"age": "int", "weight": "float", "camera": "string", "code": "string"}
    assert [line.label for line in found.lines] == ["tom", "tom", "rex, the dog"]
    assert found.lines[1].columns == {"age": -4, "weight": 0.5, "camera": "nan", "code": "1"}
    assert found.lines[2].columns == {"weight": 2.0, "camera": 'a "b"', "code": "2"}


def test_without_a_column_the_label_is_the_folder(folder: Path) -> None:
    assert [line.label for line in read(folder, "path", "cat/1.png", "dog/3.png").lines] == ["cat", "dog"]


def test_what_decides_on_the_split_is_no_feature(folder: Path) -> None:
    found = read(folder, "path,split,age", "cat/1.png,train,3", decides="split")
    assert found.kinds == {"age": "int"}
    assert found.lines[0].decides == "train"


WRONG = {
    "missing": ("cat/9.png,3,x", "there is no such file"),
    "folder": ("cat,3,x", "there is no such file"),
    "dots": ("../outside/5.png,3,x", "leads out of the data folder"),
    "absolute": ("/etc/passwd,3,x", "leads out of the data folder"),
    "link": ("link.png,3,x", "leads out of the data folder"),
    "link folder": ("away/5.png,3,x", "leads out of the data folder"),
    "twice": ("cat/1.png,3,x", "cat/1.png stands on line 2, too"),
    "no path": (",3,x", "the path is empty"),
    "cells": ("cat/2.png,3", "2 cells, but the header has 3"),
    "not a number": ("cat/2.png,NaN,x", "column 'age' holds NaN; leave the cell empty"),
    "infinite": ("cat/2.png,-inf,x", "column 'age' holds -inf"),
    "does not decide": ("cat/2.png,4,", "the cell of 'split' is empty"),
    "no label": ("top.png,4,x", "top.png lies in no class folder, and there is no column 'label'"),
}


@pytest.mark.parametrize(("row", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named_by_its_line(folder: Path, row: str, message: str) -> None:
    (folder / "link.png").symlink_to(folder.parent / "outside" / "5.png")
    (folder / "away").symlink_to(folder.parent / "outside")
    (folder / "top.png").write_bytes(b"top")
    with pytest.raises(BadDataError) as caught:
        read(folder, "path,age,split", "cat/1.png,2.5,train", "", row, "dog/3.png,1,eval", decides="split")
    text = str(caught.value)
    assert text.startswith("labels.csv: 1 wrong row; mend them in the CSV:\n  line 4: ")
    assert message in text


def test_all_wrong_rows_are_counted_and_ten_named(folder: Path) -> None:
    with pytest.raises(BadDataError, match="12 wrong rows") as caught:
        read(folder, "path", *(f"no/{number}.png" for number in range(12)))
    assert "line 11: " in str(caught.value) and "line 12: " not in str(caught.value)
    assert "and 2 more" in str(caught.value)


def test_a_cell_of_several_lines_does_not_shift_the_count(folder: Path) -> None:
    with pytest.raises(BadDataError, match=r"line 4: dog/9\.png"):
        read(folder, "path,note", 'cat/1.png,"two', 'lines"', "dog/9.png,x")


HEADERS = {
    "label,age": "it has no column 'path'",
    "path,age,age": "'age' stands twice",
    "path,the age": "'the age' should be letters, digits",
    "path,": "'' should be letters, digits",
}


@pytest.mark.parametrize(("header", "message"), HEADERS.items())
def test_a_wrong_header_is_refused(folder: Path, header: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        read(folder, header, "cat/1.png,1,1")


def test_a_csv_that_can_not_be_read(folder: Path) -> None:
    with pytest.raises(BadDataError, match="can't be read"):
        labels_csv.read(str(folder), "none.csv")
    with pytest.raises(BadDataError, match="leads out of the data folder"):
        labels_csv.read(str(folder), "../outside/labels.csv")
    (folder / "labels.csv").write_bytes("path,näme".encode("latin-1"))
    with pytest.raises(BadDataError, match="not UTF-8"):
        labels_csv.read(str(folder), "labels.csv")
    (folder / "labels.csv").write_text('path\n"cat/1.png')
    with pytest.raises(BadDataError, match="line 2"):
        labels_csv.read(str(folder), "labels.csv")
