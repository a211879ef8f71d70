"""What a gate decided: one row each, in summaries and reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, computed_field

Outcome = Literal["passed", "undecided", "refused"]
OUTCOMES: tuple[Outcome, ...] = ("passed", "undecided", "refused")


class GateRefusedError(Exception):
    """A gate stopped the run: nothing is broken, but nothing may be pushed."""


class Gate(BaseModel):
    """One condition of a gate. `bound` is the limit that `value`, or its `lower` or `upper` end, was held to.

    `warned`: it was not met, but the experiment wants no more than a warning of it.
    `undecided`: not passed and not refused, because the examples are too few to tell; it does not stop a push.
    """

    gate: str
    metric: str
    slice: str = "overall"
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    bound: float | None = None
    passed: bool
    undecided: bool = False
    warned: bool = False
    reason: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """Return one of OUTCOMES; "refused" alone stops a push."""
        return "passed" if self.passed else "undecided" if self.undecided else "refused"


def outcome(row: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a row as a summary keeps it, one of an earlier version among them."""
    return "passed" if row["passed"] else "undecided" if row.get("undecided") else "refused"


def tally(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return how many rows of a summary had each outcome: "33 passed, 2 undecided, 0 refused"."""
    found = Counter(outcome(row) for row in rows)
    return ", ".join(f"{found[one]} {one}" for one in OUTCOMES)


def write(path: Path, gates: list[Gate]) -> None:
    """Writes rows as JSON."""
    path.write_text(json.dumps([gate.model_dump() for gate in gates], indent=1))


def read(path: Path) -> list[Gate]:
    """Reads what `write` wrote."""
    return [Gate.model_validate(row) for row in json.loads(path.read_text())]
