"""Compares two records of the golden experiments.

    python -m tests.golden.compare EXPECTED.json FOUND.json

Counts, strings, sizes of layers and outcomes of gates must be equal, losses, metrics and bytes within 1e-3, and digests
equal where both records were made in the same environment. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.golden import record

TOLERANCE = 1e-3  # relative
# A difference of two metrics may be zero but for rounding, and no ratio of it means anything.
ZERO = 1e-6
ABSENT = "absent"


class Difference(NamedTuple):
    """A row of two records that is not the same."""

    experiment: str
    what: str
    expected: Any
    found: Any


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[Difference]:
    """Return what differs, experiment by experiment; digests only if `incomparable` gives no reason against it."""
    parts = ("exact", "figures") if incomparable(expected, found) else ("exact", "figures", "digests")
    rows: list[Difference] = []
    for name in sorted({*expected["experiments"], *found["experiments"]}):
        first, second = (each["experiments"].get(name) for each in (expected, found))
        if first is None or second is None:
            told = (ABSENT if each is None else "recorded" for each in (first, second))
            rows.append(Difference(name, "experiment", *told))
            continue
        for part in parts:
            rows += _part(name, part, first[part], second[part])
    return rows


def _part(name: str, part: str, first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """Return the rows of one part of an experiment that differ."""
    equal = _close if part == "figures" else lambda one, other: bool(one == other)
    pairs = [(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in sorted({*first, *second})]
    return [Difference(name, key, one, other) for key, one, other in pairs if not equal(one, other)]


def _close(one: Any, other: Any) -> bool:
    if ABSENT in (one, other):
        return False
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=ZERO)


def incomparable(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Return why digests can not be compared: what differs between the environments; empty if nothing does."""
    first, second = expected["environment"], found["environment"]
    return ", ".join(
        f"{key} {first.get(key, ABSENT)} and {second.get(key, ABSENT)}"
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    )


def subset(recorded: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a record of some of its experiments."""
    kept = {name: found for name, found in recorded["experiments"].items() if name in names}
    return {**recorded, "experiments": kept}


def text(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the comparison as a table for people."""
    rows, reason = differences(expected, found), incomparable(expected, found)
    table = [("experiment", "what", "expected", "found"), *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]) for row in table] if rows else []
    parts = [part for each in found["experiments"].values() for part in each.items()]
    counted = sum(len(content) for part, content in parts if part != "digests" or not reason)
    lines.append(f"{len(rows)} of {counted} rows of {len(found['experiments'])} experiments differ")
    if reason:
        lines.append(f"digests not compared: {reason}")
    return "\n".join(lines)


def main() -> None:
    """Print what differs between two records."""
    parser = argparse.ArgumentParser(description="Compare two records of the golden experiments.")
    parser.add_argument("expected", type=Path)
    parser.add_argument("found", type=Path)
    given = parser.parse_args()
    expected, found = record.read(given.expected), record.read(given.found)
    print(text(expected, found))
    sys.exit(bool(differences(expected, found)))


if __name__ == "__main__":
    main()
