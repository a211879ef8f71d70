"""Tables parted by something else than commas: read in training, by `new`, and by the client, all in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelmill.data.modalities.tabular import client
from modelmill.data.readers import tables
from modelmill.data.spec import BadExampleError

ROWS = [["size", "town", "label"], ["1.5", "Ulm", "a"], ["2", "Bad, Homburg; north|south", "b"]]
WANTED = [(2, {"size": "1.5", "town": "Ulm", "label": "a"}), (3, {"size": "2", "town": ROWS[2][1], "label": "b"})]
INPUTS = [
    {"column": "size", "kind": "number", "mean": 1.0, "stddev": 2.0, "categories": []},
    {"column": "town", "kind": "category", "mean": 0.0, "stddev": 1.0, "categories": ["Ulm"]},
]
SETTINGS = {
    "columns": ["size", "town"],
    "headers": ["Size (m²)", "town"],
    "inputs": INPUTS,
    "missing_values": ["na"],
    "thousands": "",
    "decimal": ".",
    "units": [],
}


def lines(separator: str) -> str:
    return "\r\n".join(separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in ROWS) + "\r\n"


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode("utf-8-sig"))
    return str(path)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_separator_is_guessed_by_training_and_by_the_client(separator: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, lines(separator))
    for columns in (None, ["size", "town", "label"]):
        assert list(tables.read(path, name, columns)) == WANTED
    answered = list(client.Reader(SETTINGS, Path).read(path))
    assert [name for name, _ in answered] == [f"{path}:2", f"{path}:3"]
    np.testing.assert_array_equal([row for _, row in answered], [[0.25, 0], [0.5, 1]])
    bare = write(tmp_path / "bare.csv", f"5{separator}Ulm\n")
    np.testing.assert_array_equal(next(client.Reader(SETTINGS, Path).read(bare))[1], [2, 0])


def test_what_excel_says_of_the_separator_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\nsize;town, or place;label\n1;Ulm;a\n")
    assert list(tables.read(path, "a.csv", None)) == [(3, {"size": "1", "town, or place": "Ulm", "label": "a"})]
    path = write(tmp_path / "b.csv", "sep=|\nsize|town\n3|Ulm\n")
    ((name, row),) = client.Reader(SETTINGS, Path).read(path)
    assert name == f"{path}:3" and row.tolist() == [1, 0]


def test_decimal_commas_do_not_pass_for_separators(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "size;weight\n1,5;2,5\n2,5;1,25\n")
    assert next(row for _, row in tables.read(path, "a.csv", None)) == {"size": "1,5", "weight": "2,5"}


def test_the_separator_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "size,town;label\n1,Ulm;a\n")
    assert [row for _, row in tables.read(path, "a.csv", None, ";")] == [{"size,town": "1,Ulm", "label": "a"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1.3,0.4,Oslo,no\n1,2,Rome,yes\n", "the column 'size' is missing; .*is there no header"),
        ("size;label\n1;a\n2;b;\n", "line 3: 3 cells, but the header has 2; take the ';' at its end away"),
        ("size,label\n1,a,b\n", "line 2: 3 cells, but the header has 2; .* a cell that holds ',' stands in quotes"),
        ('size,label\n1,a\n2,"b\n3,a\n4,b\n', "line 3: the row that begins there can't be read"),
    ],
)
def test_what_is_wrong_is_called_by_its_name(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadExampleError, match=says):
        list(tables.read(write(tmp_path / "a.csv", text), "a.csv", ["size", "label"]))


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"text,label\n{'long ' * 40_000},a\n")
    ((_, row),) = tables.read(path, "a.csv", ["text", "label"])
    assert len(row["text"]) == 199_999


def test_the_client_refuses_what_training_refuses_by_row_and_answers_the_rest(tmp_path: Path) -> None:
    bad = ["1e39,Ulm", "inf,Ulm", "1_000,Ulm", "NA,Ulm", ",Ulm", "٣,Ulm", "1", "1,Ulm,2"]
    path = write(tmp_path / "a.csv", "\n".join(["size,town", "5,Ulm", *bad, "3,Bonn"]) + "\n")
    answered = []
    with pytest.raises(client.NotARowError) as error:
        for _, row in client.Reader(SETTINGS, Path).read(path):
            answered.append(row.tolist())
    assert answered == [[2, 0], [1, 1]]
    told = str(error.value).splitlines()
    assert [line.partition(": ")[0] for line in told] == [f"{path}:{number}" for number in range(3, 11)]
    assert "'1_000' is no finite number" in told[2] and "'NA' is no value" in told[3] and "3 cells" in told[7]
    optional = {**SETTINGS, "inputs": [*INPUTS, {**INPUTS[0], "kind": "missing"}]}
    path = write(tmp_path / "b.csv", "size,town\nNA,Ulm\n")
    assert [row.tolist() for _, row in client.Reader(optional, Path).read(path)] == [[0, 0, 1]]


def test_the_client_takes_the_header_of_the_files_and_the_names_of_the_experiment(tmp_path: Path) -> None:
    for header in ("town,Size (m²),of no use", "town,size,of no use"):
        path = write(tmp_path / "a.csv", f"{header}\nUlm,5,x\n")
        assert [row.tolist() for _, row in client.Reader(SETTINGS, Path).read(path)] == [[2, 0]]
