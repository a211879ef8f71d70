"""Tables: what is read of them, what is refused and how it is said, and who falls into which split."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from modelmill.data import modality
from modelmill.data.modalities.tabular import client
from modelmill.data.readers import raw_examples
from modelmill.data.readers.file_listing import Row
from modelmill.data.spec import DECIDES, BadExampleError
from modelmill.data.splits import SplitConfig

tabular = modality.look_up("tabular")

HEAD = "age,town,since,id,label\n"
ROWS = "41,Ulm,2020-02-29,a,yes\n,Bonn,2021-12-31T10:00:00,b,no\n"


def config(**more: Any) -> tabular.Config:
    columns = {"numeric": ("age",), "categorical": ("town",), "dates": ("since",), "also": ("id",)}
    return tabular.Config(**{"path": "x", "files": "*", "missing": ("age",), **columns, **more})


def read(folder: Path, name: str, split: SplitConfig | None = None, **more: Any) -> list[dict[str, Any]]:
    return list(raw_examples.examples(str(folder), Row(name), config(**more), split))


def test_csv_gzip_and_parquet_give_the_same_examples(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((HEAD + ROWS).encode()))
    (tmp_path / "a.tsv").write_text((HEAD + ROWS).replace(",", "\t"))
    columns = {
        "label": ["yes", "no"],
        "age": pyarrow.array([41, None], pyarrow.int64()),
        "town": ["Ulm", "Bonn"],
        "since": [datetime.date(2020, 2, 29), datetime.datetime(2021, 12, 31, 10)],
        "id": ["a", "b"],
    }
    columns["since"] = [str(one.isoformat()) for one in columns["since"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    first = read(tmp_path, "a.csv")
    assert [one["row"] for one in first] == ["41,Ulm,2020-02-29", ",Bonn,2021-12-31T10:00:00"]
    assert first[0]["age"] == 41.0 and "age" not in first[1] and first[1]["town"] == "Bonn"
    assert [one["path"] for one in first] == ["a.csv:2", "a.csv:3"] and [one["label"] for one in first] == ["yes", "no"]
    for name in ("a.csv.gz", "a.tsv", "a.parquet"):
        again = read(tmp_path, name)
        for one, other in zip(first, again, strict=True):
            assert {**one, "path": ""} == {**other, "path": ""}, name


def test_numeric_labels_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "41,Ulm,2020-02-29,a,2.5\n")
    assert read(tmp_path, "a.csv", task="regression")[0]["label"] == 2.5


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("41,Ulm,2020-02-29,a", "line 2: 4 cells, but the header has 5"),
        ("old,Ulm,2020-02-29,a,yes", "a.csv, row 2: 'age' holds 'old', no finite number"),
        ("inf,Ulm,2020-02-29,a,yes", "'age' holds 'inf', no finite number"),
        ('"1,234.5",Ulm,2020-02-29,a,yes', "'age' holds '1,234.5', no finite number; set data.thousands: ','"),
        (
            "$5,Ulm,2020-02-29,a,yes",
            r"'age' holds '[$]5', no finite number; set data.units: \[\"[$]\"\], or write it as 1234.5",
        ),
        ("41,Ulm,NaN,a,yes", "the cell of 'since' is 'NaN', a missing value; fill it, or name it in data.missing"),
        ("41,NaN,2020-02-30,a,yes", "column since: '2020-02-30' is no date"),
        ("1_000,Ulm,2020-02-29,a,yes", "'age' holds '1_000', no finite number"),
        ("1e39,Ulm,2020-02-29,a,yes", "'age' holds '1e39', no finite number"),
        ("41,,2020-02-29,a,yes", "the cell of 'town' is empty; fill it, or name it in data.missing"),
        ("41,Ulm,29.2.2020,a,yes", "column since: '29.2.2020' is no date; write YYYY-MM-DD"),
        ("41,Ulm,20200229,a,yes", "column since: '20200229' is no date; write YYYY-MM-DD"),
        ("41,Ulm,2020-W01-1,a,yes", "column since: '2020-W01-1' is no date"),
        ("41,Ulm,2020-02-29,a,", "the label .* is empty"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(f"{HEAD}{row}\n")
    with pytest.raises(BadExampleError, match=says):
        read(tmp_path, "a.csv")


def test_all_cells_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    rows = [f"{'1' if place < 3 else f'<{place}'},Ulm,2020-02-29,a,yes" for place in range(20)]
    (tmp_path / "a.csv").write_text(HEAD + "\n".join(rows) + "\n")
    with pytest.raises(BadExampleError) as caught:
        read(tmp_path, "a.csv")
    told = str(caught.value)
    assert "a.csv, row 5: 'age' holds '<3'" in told and "16 further: row 6: 'age' holds '<4'" in told
    assert "row 14: 'age' holds '<12'" in told and "row 15" not in told and "and 7 more" in told


@pytest.mark.parametrize(
    "mark", ["NaN", "na", "N/A", "#N/A", "Nil", "null", "None", "?", ".", "-", "none  given", "-999"]
)
def test_marks_of_missing_values_are_empty_cells_of_numbers_and_dates(tmp_path: Path, mark: str) -> None:
    own = {"missing": ("age", "since"), "missing_values": ("None given", "-999")}
    (tmp_path / "a.csv").write_text(HEAD + f"{mark},{mark},{mark},b,no\n,Ulm,,b,no\n")
    marked, empty = read(tmp_path, "a.csv", **own)
    assert "age" not in marked and "since" not in marked and marked["town"] == mark, "a category may be called so"
    assert [one["row"].split(",")[::2] for one in (marked, empty)] == [["", ""], ["", ""]]
    inputs = [{"column": "age", "kind": "number", "mean": 1.0, "stddev": 2.0}, {"column": "age", "kind": "missing"}]
    cells, marks = {"age": mark}, config(**own).marks
    assert client.preprocess(cells, inputs, marks).tolist() == [0, 1]
    assert client.preprocess({"age": "3"}, inputs, marks).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("cell", "number"), [("1,234.5", 1234.5), ("-12,345,678", -12345678), ("1234.5", 1234.5), ("999", 999)]
)
def test_thousands_are_read_where_the_experiment_says_so(tmp_path: Path, cell: str, number: float) -> None:
    (tmp_path / "a.csv").write_text(f'{HEAD}"{cell}",Ulm,2020-02-29,a,yes\n')
    assert read(tmp_path, "a.csv", thousands=",")[0]["age"] == number
    inputs = [{"column": "age", "kind": "number", "mean": 0.0, "stddev": 1.0}]
    assert client.preprocess({"age": cell}, inputs, (), ",").tolist() == [number]


@pytest.mark.parametrize("cell", ["1,5", "12,34", "1234,567", "1,234,5"])
def test_what_is_not_parted_by_three_is_no_number(tmp_path: Path, cell: str) -> None:
    (tmp_path / "a.csv").write_text(f'{HEAD}"{cell}",Ulm,2020-02-29,a,yes\n')
    with pytest.raises(BadExampleError, match=f"'age' holds '{cell}', no finite number"):
        read(tmp_path, "a.csv", thousands=",")


def test_a_column_that_is_not_there_and_a_file_that_is_no_table_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,label\n1,yes\n")
    with pytest.raises(BadExampleError, match="the column 'town' is missing; there are age, label"):
        read(tmp_path, "a.csv")
    (tmp_path / "a.parquet").write_bytes(b"none")
    with pytest.raises(BadExampleError, match=r"a.parquet: no Parquet file"):
        read(tmp_path, "a.parquet")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadExampleError, match=r"a.txt: no table; allowed are .csv"):
        read(tmp_path, "a.txt")


def test_a_column_decides_on_the_split_by_group_or_by_time(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    split = SplitConfig(by="time", column="since", eval_from="2021-01-01", test_from="2021-12-01")
    decided = [one[DECIDES] for one in read(tmp_path, "a.csv", split)]
    assert [split.decided(cell, "") for cell in decided] == [("train", None), ("test", None)]
    group = SplitConfig(by="group", column="id")
    assert [group.decided(one[DECIDES], "") for one in read(tmp_path, "a.csv", group)] == [
        (None, "a"),
        (None, "b"),
    ]
    with pytest.raises(ValueError, match=r"a.csv:2: 'part': unknown split 'tets'.*'test'"):
        SplitConfig(by="column", column="part").decided("tets", "a.csv:2")
    with pytest.raises(ValidationError, match="must be before"):
        SplitConfig(by="time", column="since", eval_from="2022", test_from="2021")


def test_a_column_has_one_part_to_play() -> None:
    with pytest.raises(ValidationError, match="'town' is named twice"):
        config(numeric=("town",))
    with pytest.raises(ValidationError, match="at least one column"):
        tabular.Config(path="x")
    with pytest.raises(ValidationError, match="missing names 'agge'"):
        config(missing=("agge",))
    with pytest.raises(ValidationError, match=r"columns: unknown column 'agge'.*did you mean 'age'"):
        config(columns={"agge": "Age (years)"})
    with pytest.raises(ValidationError, match="two names stand for the header 'town'"):
        config(columns={"age": "town"})


def test_the_client_reads_files_with_and_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("town,age\nUlm,3\nBonn,\n")
    assert list(client.rows(tmp_path / "a.csv", ["age", "town"])) == [
        (f"{tmp_path}/a.csv:2", {"town": "Ulm", "age": "3"}),
        (f"{tmp_path}/a.csv:3", {"town": "Bonn", "age": ""}),
    ]
    (tmp_path / "b.csv").write_text('3,"Ulm, Donau"')
    assert list(client.rows(tmp_path / "b.csv", ["age", "town"])) == [
        (str(tmp_path / "b.csv"), {"age": "3", "town": "Ulm, Donau"})
    ]
    assert np.isnan(client.days("", "x")) and client.days("2000-01-02", "x") == 1


def test_a_row_is_shown_by_its_cells_and_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    _, second = read(tmp_path, "a.csv")
    media, content = tabular.show_raw(second, config())
    assert media == "application/json"
    assert json.loads(content) == {"age": None, "town": "Bonn", "since": "2021-12-31T10:00:00"}
    media, content = tabular.show(tabular.decode(b"41,Ulm,2020-02-29", config()), config())
    told = json.loads(content)
    assert (
        media == "application/json" and told["age"] == 41 and {"town", "age (missing)", "since (days)"} <= told.keys()
    )
