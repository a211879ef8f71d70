"""Cells as numbers are the same to the profile (Python), to the served model (TensorFlow) and to the pushed client."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modelmill.data import numeric_cells
from modelmill.data.modalities.tabular import client

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
    assert client.GROUPED == numeric_cells.GROUPED
    assert client.TURNS == numeric_cells.TURNS
    assert client.FIRST_DAY == numeric_cells.FIRST_DAY


@pytest.mark.parametrize("thousands", ["", ",", "."])
def test_marks_and_thousands(thousands: str) -> None:
    found = [numeric_cells.plain_cell(cell, MARKS, thousands) for cell in CELLS]
    assert found == [client.plain(cell, MARKS, thousands) for cell in CELLS]
    assert found == [cell.decode() for cell in numeric_cells.plain(np.array(CELLS), MARKS, thousands).numpy()]
    assert found[3] == ("1234" if thousands == "," else "1,234") and found[9:12] == ["", "", ""]


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
