"""Little tables and series, made for the purpose; `modelmill new` is to tell what is in them."""

from __future__ import annotations

import csv
import random
from pathlib import Path

HEADER = ("person", "age", "town", "since", "hours", "member", "note", "income")


def people(folder: Path, rows: int = 120) -> Path:
    """A table with everything in it: half of the hours are missing, and the income follows age and town."""
    draw, path = random.Random(0), folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for row in range(rows):
            age, town, hours = draw.randint(18, 80), draw.choice(["Ulm", "Bonn", "Kiel"]), draw.choice(["", "12", "40"])
            since = f"20{draw.randint(10, 23)}-0{draw.randint(1, 9)}-11"
            note, income = f"{'as was said ' * 8}{row}", "high" if age > 45 or town == "Kiel" else "low"
            writer.writerow([f"p{row:04}", age, town, since, hours, "yes", note, income])
    return path


def wide(folder: Path) -> Path:
    """40 series of 20 steps, a row each: some rise."""
    draw, path = random.Random(0), folder / "wide.csv"
    rows = [[f"{draw.gauss(row % 2 * step / 20, 0.1):.3f}" for step in range(20)] for row in range(40)]
    lines = [",".join([*row, "rising" if place % 2 else "flat"]) for place, row in enumerate(rows)]
    path.write_text("\n".join([",".join([*(f"t{step}" for step in range(20)), "label"]), *lines]) + "\n")
    return path


def long(folder: Path, series: int = 40, steps: int = 12) -> Path:
    """Rows of machines, of which some are worn."""
    draw, path = random.Random(0), folder / "long.csv"
    lines = [
        f"m{machine},{step},{draw.gauss(machine % 2, 0.3):.3f},{draw.random():.3f},{'worn' if machine % 2 else 'ok'}"
        for machine in range(series)
        for step in range(steps + machine % 3)
    ]
    path.write_text("\n".join(["machine,time,current,speed,state", *lines]) + "\n")
    return path
