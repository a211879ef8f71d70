"""Outcome of a task, as a line of its log: written by the container, read by the clients.

KFP's launcher ends with code 1 whatever its command ended with, and its API carries no message. It does keep the log,
also of a task that failed: as the artifact `executor-logs`, and in the pod.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

MARK = "modelmill outcome: "


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended early: a gate refused, or something failed; and why."""

    refused: bool
    reason: str


def to_line(outcome: TaskOutcome) -> str:
    """Return the line for the log."""
    return MARK + json.dumps({"outcome": "refused" if outcome.refused else "failed", "reason": outcome.reason})


def from_log(text: str) -> TaskOutcome | None:
    """Return the last outcome in a log; None if there is none."""
    for line in reversed(text.splitlines()):
        _, mark, content = line.partition(MARK)
        if not mark:
            continue
        try:
            found = json.loads(content)
            return TaskOutcome(found["outcome"] == "refused", str(found["reason"]))
        except (ValueError, KeyError, TypeError):
            continue  # what a program prints may look like it
    return None
