"""What became of a node: the runner writes it, the screen and the summary read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["waiting", "working", "done", "cached", "skipped", "failed"]


@dataclass(frozen=True)
class Output:
    """One artifact: where it lies, and its custom properties."""

    uri: str
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """A node's state, how long it took, and its outputs by key (an earlier run's if cached or skipped)."""

    id: str
    state: State = "waiting"
    seconds: float = 0.0
    outputs: dict[str, list[Output]] = field(default_factory=dict)

    def output(self, key: str) -> Output | None:
        """The one artifact under `key`, if there is one."""
        found = self.outputs.get(key)
        return found[0] if found else None
