"""Cells as numbers are the same to the profile (Python), to the served model (TensorFlow) and to the pushed client."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modelmill.data import numeric_cells
from modelmill.data.modalities.series import client as series_client
from modelmill.data.modalities.tabular import client
from modelmill.data.modalities.text import client as text_client
from modelmill.data.readers import separators, tables

MARKS = numeric_cells.marks(("unknown",))
CELLS = (
    "",
    "3",
    "-4.5e3",
    "1,234",
    "1,234.5",
    "-12,345,678",
    "1,23",
    "12,3456",
    ",123",
    "NaN",
    "Unknown",
    "?",
    "Ulm, 1,234",
)
DATES = ("2000-01-01", "2000-02-29", "1999-12-31", "1900-03-01", "2024-02-29T23:59:59", "0001-01-01", "9999-12-31")
NO_DATES = ("2023-02-29", "20230228", "2023-W01-1", "1.2.2023", "2023-1-1", "7")


def test_the_client_has_the_same_constants() -> None:
    for name in ("UNITED", "GROUPED", "COMMA", "NUMBER", "LARGEST"):
        assert getattr(client, name) == getattr(numeric_cells, name)
    assert (series_client.NUMBER, series_client.LARGEST) == (numeric_cells.NUMBER, numeric_cells.LARGEST)
    for one in (client, text_client):
        assert (tuple(one.SEPARATORS), one.LONGEST) == (separators.SEPARATORS, tables.LONGEST)
    assert client.TURNS == numeric_cells.TURNS
    assert client.FIRST_DAY == numeric_cells.FIRST_DAY


NOTATIONS = {
    ("", ".", ()): {"3": "3", "-4.5e3": "-4.5e3", "1,234": "1,234"},
    (",", ".", ()): {"1,234": "1234", "-12,345,678": "-12345678", "1,23": "1,23"},
    (".", ",", ("€",)): {
        "1.234,5": "1234.5",
        "1.234": "1234",
        "2,5 €": "2.5",
        "€-2,5": "-2.5",
        "1.23": "1.23",
        ",5": ".5",
    },
    (" ", ",", ("kg", "g")): {"12 345,5kg": "12345.5", "-7 g": "-7", "kg 1,5": "1.5", "1,5 m": "1,5 m", "kg": "kg"},
    ("'", ".", ("$", "%")): {"-$1'234.5": "-1234.5", "5%": "5", "$ 5": "5", "5 % $": "5 % $", "$": "$", "1e3 %": "1e3"},
}


@pytest.mark.parametrize("notation", [numeric_cells.Notation(*one) for one in NOTATIONS], ids=str)
def test_marks_and_notations(notation: numeric_cells.Notation) -> None:
    expected = NOTATIONS[notation]
    cells = [*CELLS, *{cell for one in NOTATIONS.values() for cell in one}]
    found = [numeric_cells.plain_cell(cell, MARKS, notation) for cell in cells]
    assert found == [client.plain(cell, MARKS, *notation) for cell in cells]
    assert found == [cell.decode() for cell in numeric_cells.plain(np.array(cells), MARKS, notation).numpy()]
    assert found[9:12] == ["", "", ""]
    assert [numeric_cells.plain_cell(cell, MARKS, notation) for cell in expected] == list(expected.values())


def test_units_are_told_from_names() -> None:
    units = {"$5": "$", "5 %": "%", "-5kg": "kg", "USD 1,234.5": "USD", "€-2,5": "€", "1e3 Hz": "Hz"}
    for cell in ("C-17", "A1", "p0001", "USD5", "5", "kg", "$5 %", "1.2.3 a b", "20 abcde"):
        assert numeric_cells.unit(cell) == "", cell
    assert {cell: numeric_cells.unit(cell) for cell in units} == units


def test_dates() -> None:
    found = [numeric_cells.day_number(cell) for cell in DATES]
    assert found == [client.days(cell, "since") for cell in DATES]
    assert found == numeric_cells.days(np.array(DATES)).numpy().tolist()
    assert found[:3] == [0, 59, -1]


@pytest.mark.parametrize("cell", NO_DATES)
def test_what_is_no_date(cell: str) -> None:
    assert numeric_cells.day_number(cell) is None
    with pytest.raises(client.NotARowError, match="YYYY-MM-DD"):
        client.days(cell, "since")


@pytest.mark.parametrize("kind", ["year sin", "year cos", "week sin", "week cos"])
def test_waves_of_a_date(kind: str) -> None:
    (found,) = numeric_cells.wave(numeric_cells.days(np.array(["2024-02-29"])), kind).numpy()
    (same,) = client.preprocess({"since": "2024-02-29"}, [{"column": "since", "kind": kind}])
    assert math.isclose(found, same, abs_tol=1e-6)
