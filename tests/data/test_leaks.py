"""A column that tells the label by itself is named; one that helps, or that only numbers the rows, is not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from modelmill.data.profiling.leaks import Leaks


def found(rows: list[dict[str, Any]], label: str) -> dict[str, str]:
    leaks = Leaks(tuple(name for name in rows[0] if name != label))
    for row in rows:
        leaks.add(row, row[label])
    return dict(leaks.found())


def rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(0)
    made = []
    for number in range(count):
        left, amount = draw.random() < 0.3, draw.gauss(0, 1)
        made.append(
            {
                "label": "gone" if left else "stays",
                "cancelled": f"2024-01-{number % 28 + 1:02}" if left else None,
                "code": 7.0 if left else float(draw.choice([1, 2])),
                "shifted": (5 if left else 0) + draw.random(),
                "reason": draw.choice(["price", "moved"]) if left else "none",
                "helpful": draw.gauss(2 * left, 1),
                "id": f"c{number}",
                "number": float(number),
                "constant": "x",
                "rarely missing": None if draw.random() < 0.1 else amount,
            }
        )
    return made


@pytest.mark.parametrize("count", [300, 3_000, 25_000])
def test_columns_that_tell_the_class(count: int) -> None:
    leaks = found(rows(count), "label")
    assert set(leaks) == {"cancelled", "code", "shifted", "reason"}
    assert all(told.startswith("alone tells 9") or "100.0%" in told for told in leaks.values())
    assert "largest class has 7" in leaks["code"] or "largest class has 6" in leaks["code"]


def test_columns_that_tell_a_number() -> None:
    draw = random.Random(0)
    made = []
    for number in range(400):
        price = draw.gauss(100, 20)
        row = {"net": price / 1.19, "rounded": float(round(price)), "noisy": price + draw.gauss(0, 8)}
        made.append({"label": price, "id": f"c{number}", "number": float(number), **row})
    assert set(found(made, "label")) == {"net", "rounded"}


def test_few_rows_and_one_class_say_nothing() -> None:
    assert not found(rows(20), "label")
    assert not found([{**row, "label": "one"} for row in rows(300)], "label")
