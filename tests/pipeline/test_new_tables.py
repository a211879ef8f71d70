"""`modelmill new` of tables and series: what it makes of their columns, and that a run takes it at once."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmill.data import sample_data
from modelmill.data.profiling import profile
from modelmill.data.profiling.draft import Asked, NoProjectError
from modelmill.data.splits import SplitConfig
from modelmill.pipeline.experiment.experiment import Experiment, load
from modelmill.pipeline.preflight import new_project
from modelmill.pipeline.preflight.check import check
from tests.pipeline.tables import long, people, wide


def vowels(folder: Path) -> Path:
    """Real .ts files, in folders of splits."""
    return sample_data.materialize("japanese_vowels", folder)


def segments(folder: Path) -> Path:
    """A real CSV."""
    return sample_data.materialize("segment", folder)


def made(folder: Path, kind: str, data: Path, **more: Any) -> Experiment:
    return load(str(new_project.write(folder / "project", Asked(kind, data, **more))[0]))


def test_columns_are_told_by_their_cells(tmp_path: Path) -> None:
    experiment = made(tmp_path, "tabular", people(tmp_path))
    data = experiment.data.model_dump()
    assert (data["label"], data["task"]) == ("income", "classification")
    assert data["numeric"] == ("age", "hours") and data["categorical"] == ("town",) and data["dates"] == ("since",)
    assert data["missing"] == ("hours",)
    text = (tmp_path / "project" / new_project.FILE).read_text()
    for told in (
        "person: tells the rows apart, not what they are, such as 'p0000'",
        "member: one value in all rows, such as 'yes'",
        "note: whole texts",
        "the last column; another: --label",
        "3 values, such as ",
        "# split: {by: time, column: since, eval_from: '20",
    ):
        assert told in text
    lines = {line.name: line for line in check(experiment, tmp_path / "runs")}
    assert {line.kind for line in lines.values()} <= {"ok", "mind"} and "120 in" in lines["examples"].text


def test_headers_as_people_write_them_get_names(tmp_path: Path) -> None:
    random.seed(0)
    header = "Monthly Charges ($);Größe;label;年齢;2019;monthly_charges;Row ID"
    rows = [f"{random.random():.3f};{n % 7}.5;{n % 2};{n % 5}.25;{n % 9}.5;{n % 4}.75;{n + 1}" for n in range(60)]
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]) + "\n")
    experiment = made(tmp_path, "tabular", tmp_path / "a.csv")
    data = experiment.data.model_dump()
    assert data["columns"] == {
        "monthly_charges_2": "Monthly Charges ($)",
        "grosse": "Größe",
        "column_3": "年齢",
        "c_2019": "2019",
    }
    assert data["numeric"] == (*data["columns"], "monthly_charges") and data["label"] == "label"
    assert "Row ID" in (tmp_path / "project" / new_project.FILE).read_text(), "what is left out keeps its name"
    lines = {line.name: line for line in check(experiment, tmp_path / "runs")}
    assert {line.kind for line in lines.values()} <= {"ok", "mind"} and "60 in" in lines["examples"].text


def test_the_split_that_is_proposed_can_be_taken(tmp_path: Path) -> None:
    made(tmp_path, "tabular", people(tmp_path))
    path = tmp_path / "project" / new_project.FILE
    path.write_text(path.read_text().replace("# split:", "split:"))
    assert load(str(path)).split.by == "time"


def test_numbers_are_predicted_and_the_label_can_be_named(tmp_path: Path) -> None:
    experiment = made(tmp_path, "tabular", people(tmp_path), label="age")
    assert experiment.data.task == "regression" and experiment.evaluate.metric == "r2"
    assert "income" in experiment.data.model_dump()["categorical"]


def test_real_tables_and_series(tmp_path: Path) -> None:
    table = made(tmp_path / "a", "tabular", segments(tmp_path))
    assert len(table.data.model_dump()["numeric"]) == 18 and table.data.model_dump()["label"] == "category"
    series = made(tmp_path / "b", "series", vowels(tmp_path))
    data = series.data.model_dump()
    assert (data["channels"], data["length"], series.split.by) == (12, 29, "folder")
    assert (
        new_project.guess(tmp_path / "segment") == "tabular"
        and new_project.guess(tmp_path / "japanese_vowels") == "series"
    )


def test_the_layout_of_series_is_told_by_their_columns(tmp_path: Path) -> None:
    data = made(tmp_path / "wide", "series", wide(tmp_path)).data.model_dump()
    assert (data["layout"], data["values"], data["length"]) == ("wide", ("t[0-9]*",), 20)
    data = made(tmp_path / "long", "series", long(tmp_path)).data.model_dump()
    assert (data["series"], data["values"], data["length"]) == ("machine", ("current", "speed"), 14)


def test_of_a_few_long_series_windows_are_cut_and_parted_by_time(tmp_path: Path) -> None:
    experiment = made(tmp_path, "series", long(tmp_path, series=4, steps=200))
    assert experiment.data.model_dump()["stride"] == 25
    assert (experiment.split.by, experiment.split.column) == ("time", "time")
    lines = {line.name: line.text for line in check(experiment, tmp_path / "runs")}
    assert all(part in lines["splits"] for part in ("train ", "eval ", "test ")), lines["splits"]


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("size,price\n1,1.5\n2,NaN\n3,2.5\n", {}, "--label price: cells that are no numbers: row 3 'NaN'; fill or"),
        ("size,label\n1,a\n2,\n", {}, "--label label: 1 of 2 rows have none"),
        ("size,label\n1,a\n2,a\n3,a\n", {}, "1 different values, which are no classes"),
        ("size,label\n1,a\n2,b\n", {"label": "lable"}, "--label lable: there is no such column; allowed: size, label"),
        ("size,label\n1,a\n2,b\n", {"task": "regression"}, "the column label holds words"),
        ("size,label\n1,a\n2,b\n", {"task": "multilabel"}, "new knows classification and regression"),
        ("same,label\n1,a\n1,b\n", {}, "besides label no column says anything"),
        ("size,label\n", {}, "it has no rows"),
        ("size,label\n1,a,4\n", {}, "3 cells, but the header has 2"),
    ],
)
def test_tables_that_are_no_use_are_refused(tmp_path: Path, text: str, more: dict[str, Any], says: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(NoProjectError, match=says):
        made(tmp_path, "tabular", tmp_path / "a.csv", **more)
    assert not (tmp_path / "project").exists()


def odd(folder: Path, cell: str, rows: int = 40, every: int = 40) -> Path:
    """A table of two columns of numbers; in one of them now and then a cell is `cell`, the first in row 3."""
    draw, path = random.Random(0), folder / "odd.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "z", "label"])
        for row in range(rows):
            x, label = draw.gauss(0, 1), "yes" if row % 3 else "no"
            writer.writerow([cell if row % every == 1 else f"{x:.3f}", f"{draw.random():.3f}", label])
    return path


MARKS = ["NaN", "NA", "n/a", "#N/A", "nil", "NULL", "None", "?", ".", "-"]
ODD = ["inf", "#DIV/0!", "<5", "$5", "5%", "5 kg", "1,5"]


@pytest.mark.parametrize("cell", [*MARKS, *ODD])
def test_a_column_of_numbers_with_an_odd_cell_stays_one_and_the_cell_is_named(tmp_path: Path, cell: str) -> None:
    path, draft = new_project.write(tmp_path / "project", Asked("tabular", odd(tmp_path, cell)))
    data = load(str(path)).data.model_dump()
    assert (data["numeric"], data["missing"]) == (("x", "z"), ("x",))
    assert data["missing_values"] == ((cell,) if cell in ODD else ())
    (said,) = (line for line in draft.told if line.startswith("x: "))
    assert "1 of 40 cells" in said and f"row 3 {cell!r}" in said
    assert ("data.missing_values" in said) == (cell in ODD)
    lines = {line.name: line for line in check(load(str(path)), tmp_path / "runs")}
    assert lines["unreadable"].kind == "ok" and "40 in" in lines["examples"].text


def test_of_many_odd_cells_it_is_said_how_many_more_there_are(tmp_path: Path) -> None:
    _, draft = new_project.write(tmp_path / "project", Asked("tabular", odd(tmp_path, "nil", 2_001, 50)))
    (said,) = (line for line in draft.told if line.startswith("x: "))
    assert "40 of 2,001 cells" in said and "row 3 'nil', row 53 'nil'" in said and "and 35 more" in said


def test_numbers_with_commas_between_thousands_are_read(tmp_path: Path) -> None:
    path, draft = new_project.write(tmp_path / "project", Asked("tabular", odd(tmp_path, "1,234.5")))
    data = load(str(path)).data
    assert (data.model_dump()["thousands"], data.model_dump()["missing"]) == (",", ())
    assert any("x: 1 of 40 cells" in line and "row 3 '1,234.5'" in line for line in draft.told)
    assert max(profile.look(tmp_path, data, SplitConfig()).numbers["x"]) == 1234.5


def test_what_keeps_a_column_from_being_one_of_numbers_is_said(tmp_path: Path) -> None:
    """A column of which a fifth is no number is left out, and the reason is named."""
    _, draft = new_project.write(tmp_path / "a", Asked("tabular", odd(tmp_path, "soon", every=5)))
    (said,) = (line for line in draft.told if line.startswith("left out: x: "))
    assert "32 of 40 cells are numbers, the others not: row 3 'soon', row 8 'soon'" in said and "and 3 more" in said


@pytest.mark.parametrize(
    ("written", "notation"),
    [
        ("{0:,.2f} $", (",", ".", ("$",))),
        ("€{0:.3f}", ("", ".", ("€",))),
        ("{0:.1f}kg", ("", ".", ("kg",))),
        ("{1}", (".", ",", ())),
        ("{1} %", (".", ",", ("%",))),
        ("{2}", (" ", ",", ())),
    ],
)
def test_numbers_as_people_write_them_are_recognized(tmp_path: Path, written: str, notation: Any) -> None:
    values = [1000 * random.Random(row).random() * (1 + row % 3) for row in range(60)]
    lines = ["x;other;id;label"]
    for row, value in enumerate(values):
        german = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
        lines.append(f"{written.format(value, german, german.replace('.', ' '))};{row % 7};C-{row};{'ab'[value > 900]}")
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    path, _ = new_project.write(tmp_path / "project", Asked("tabular", tmp_path / "a.csv"))
    experiment = load(str(path))
    data = experiment.data.model_dump()
    assert (data["thousands"], data["decimal"], data["units"]) == notation and data["numeric"] == ("x", "other")
    numbers = profile.look(tmp_path, experiment.data, SplitConfig()).numbers["x"]
    assert numbers == pytest.approx(values, abs=0.06)


@pytest.mark.parametrize(("number", "told"), [("-999", True), ("9999", True), ("99", False), ("-9990", False)])
def test_numbers_that_may_mark_a_missing_value_are_named(tmp_path: Path, number: str, told: bool) -> None:
    rows = [f"{number if row % 10 == 3 else 50 + row % 37},{row % 7},{'ab'[row % 2]}" for row in range(80)]
    (tmp_path / "a.csv").write_text("\n".join(["x,other,label", *rows]) + "\n")
    _, draft = new_project.write(tmp_path / "project", Asked("tabular", tmp_path / "a.csv"))
    said = [line for line in draft.told if f"{number} stands there 8 times, far from all others (50 to 86)" in line]
    assert bool(said) is told and all("data.missing_values" in line for line in said)


def test_numbers_to_predict_are_read_in_the_notation_of_the_table(tmp_path: Path) -> None:
    rows = [f"{row % 7};{row + 0.25:.2f} €".replace(".", ",") for row in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["x;price", *rows]) + "\n")
    experiment = made(tmp_path, "tabular", tmp_path / "a.csv")
    assert experiment.data.task == "regression"
    lines = {line.name: line for line in check(experiment, tmp_path / "runs")}
    assert {line.kind for line in lines.values()} <= {"ok", "mind"} and "60 in" in lines["examples"].text


def test_odd_values_of_series_are_named_and_columns_that_are_left_out_too(tmp_path: Path) -> None:
    path = long(tmp_path)
    lines = [f"{line},{'note' if not row else f'n{row}'}" for row, line in enumerate(path.read_text().splitlines())]
    for row, cell in ((5, "nil"), (9, "<0.1")):
        cells = lines[row].split(",")
        lines[row] = ",".join([*cells[:2], cell, *cells[3:]])
    path.write_text("\n".join(lines) + "\n")
    written, draft = new_project.write(tmp_path / "project", Asked("series", path, label="state"))
    data = load(str(written)).data.model_dump()
    assert (data["values"], data["missing"], data["missing_values"]) == (("current", "speed"), True, ("<0.1",))
    told = "\n".join(draft.told)
    for part in ("mark a missing value: row 6 'nil'", "row 10 '<0.1'", "left out: note: no numbers, such as 'n1'"):
        assert part in told


def test_folders_that_are_no_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoProjectError, match="it holds no table"):
        made(tmp_path, "tabular", tmp_path)
    with pytest.raises(NoProjectError, match="no files of a kind that new knows"):
        new_project.guess(tmp_path)
    people(tmp_path)
    (tmp_path / "b.parquet").touch()
    with pytest.raises(NoProjectError, match=r"files of several kinds \(.csv, .parquet\)"):
        made(tmp_path, "tabular", tmp_path)
    (tmp_path / "parts" / "train").mkdir(parents=True)
    (tmp_path / "parts" / "val").mkdir()
    with pytest.raises(NoProjectError, match="train, val, which look like splits; call them train, eval, test"):
        made(tmp_path, "image", tmp_path / "parts")


@pytest.mark.parametrize(
    ("kind", "files", "last"), [("tabular", people, "transform"), ("series", wide, "data-gate")], ids=["table", "wide"]
)
def test_the_data_passes_the_gate_of_its_schema(
    tmp_path: Path, kind: str, files: Callable[[Path], Path], last: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from modelmill.pipeline.runners.local.run import Request, run

    (tmp_path / "data").mkdir()
    experiment = made(tmp_path, kind, files(tmp_path / "data"))
    assert run(Request(experiment, tmp_path / "runs", last=last)).code == 0


def test_names_and_patterns_survive_yaml(tmp_path: Path) -> None:
    people(tmp_path).rename(tmp_path / "people [1], yes.csv")
    experiment = made(tmp_path, "tabular", tmp_path / "people [1], yes.csv")
    assert len(list(tmp_path.glob(experiment.data.model_dump()["files"]))) == 1
    assert yaml.safe_load((tmp_path / "project" / new_project.FILE).read_text())["data"]["label"] == "income"
