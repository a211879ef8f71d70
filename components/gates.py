"""What a gate decided: one row each, in summaries and reports."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel


class GateRefusedError(Exception):
    """A gate stopped the run: nothing is broken, but nothing may be pushed."""


class Gate(BaseModel):
    """One condition of a gate. `bound` is the limit that `value`, or its `lower` or `upper` end, was held to.

    `warned`: it was not met, but the experiment wants no more than a warning of it.
    """

    gate: str
    metric: str
    slice: str = "overall"
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    bound: float | None = None
    passed: bool
    warned: bool = False
    reason: str = ""


def write(path: Path, gates: list[Gate]) -> None:
    """Writes rows as JSON."""
    path.write_text(json.dumps([gate.model_dump() for gate in gates], indent=1))


def read(path: Path) -> list[Gate]:
    """Reads what `write` wrote."""
    return [Gate.model_validate(row) for row in json.loads(path.read_text())]
