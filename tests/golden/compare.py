"""Compares two records of the golden experiments.

    python -m tests.golden.compare EXPECTED.json FOUND.json

Counts, strings, shapes of layers and outcomes of gates must be equal, losses, metrics and bytes within 1e-3, and
digests equal where both records were made in the same environment. Exit code 1 if anything differs.

Elsewhere the last bits of weights differ, and what depends on them is given more room: with another CPU's kernels
packed sizes moved by up to 0.5 %, and calibration errors, which jump where an example changes its bin, by up to 0.002.
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
# By a part of the key: relative and absolute tolerance where the environments differ.
ELSEWHERE = {"gzip_bytes": (1e-2, 0.0), "zstd_bytes": (1e-2, 0.0), "calibration": (TOLERANCE, 5e-3)}
ABSENT = "absent"


class Difference(NamedTuple):
    """A row of two records that is not the same."""

    experiment: str
    what: str
    expected: Any
    found: Any
    part: str = "exact"


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[Difference]:
    """Return what differs, experiment by experiment; digests only if `incomparable` gives no reason against it."""
    same = not incomparable(expected, found)
    parts = ("exact", "figures", "digests") if same else ("exact", "figures")
    rows: list[Difference] = []
    for name in sorted({*expected["experiments"], *found["experiments"]}):
        first, second = (each["experiments"].get(name) for each in (expected, found))
        if first is None or second is None:
            told = (ABSENT if each is None else "recorded" for each in (first, second))
            rows.append(Difference(name, "experiment", *told))
            continue
        for part in parts:
            keys = sorted({*first[part], *second[part]})
            pairs = [(key, first[part].get(key, ABSENT), second[part].get(key, ABSENT)) for key in keys]
            rows += [Difference(name, *pair, part) for pair in pairs if not _equal(part, *pair, same)]
    return rows


def _equal(part: str, key: str, one: Any, other: Any, same: bool) -> bool:
    """Return whether two values of a row pass for equal; `same`: their environments are."""
    if part != "figures" or ABSENT in (one, other):
        return bool(one == other)
    loose = [] if same else [room for word, room in ELSEWHERE.items() if word in key]
    relative, absolute = loose[0] if loose else (TOLERANCE, ZERO)
    return math.isclose(one, other, rel_tol=relative, abs_tol=absolute)


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
    table = [("experiment", "what", "expected", "found"), *(tuple(map(str, row[:4])) for row in rows)]
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
