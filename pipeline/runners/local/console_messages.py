"""The first and the last lines of a run on the screen; between them stand the display and the tables."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from modelmill.components.gates import outcome


def begin(console: Console, experiment: str, run_id: str, log: Path) -> None:
    """Which run this is, and where the log lines go."""
    console.print(
        Text.assemble((experiment, "bold"), f"  run {run_id}  ", (f"log {_short(log)}", "dim")),
        soft_wrap=True,
    )


def end(console: Console, summary: dict[str, Any], log: Path, command: list[str]) -> None:
    """Why it was refused or failed, where to read more, and how to go on; nothing if all went well."""
    if summary["status"] in ("pushed", "partial"):
        return
    failed = summary["status"] == "failed"
    words = Text("\n")
    words.append_text(_why_failed(summary) if failed else _why_refused(summary))
    words.append("log       ", "bold").append(f"{_short(log)}\n")
    if failed:
        words.append("go on by  ", "bold").append(shlex.join(command), "bold")
        words.append("   (finished nodes are cached)\n", "dim")
    console.print(words, soft_wrap=True, end="")


def _why_failed(summary: dict[str, Any]) -> Text:
    failure = summary["failure"]
    where = f"{failure['node']} failed: " if failure["node"] else "failed: "
    return Text.assemble((where, "bold red"), failure["reason"], "\n")


def _why_refused(summary: dict[str, Any]) -> Text:
    """The words of the gate that stopped the run, or each refusing row as a sentence."""
    failure = summary["failure"]
    where = f"refused by {failure['node']}, " if failure and failure["node"] else "refused, "
    text = Text.assemble((f"{where}nothing was pushed:", "bold red"), "\n")
    refused = [gate for gate in summary["gates"] if outcome(gate) == "refused"]
    reasons = [failure["reason"]] if failure else [f"  {_sentence(gate)}" for gate in refused]
    return text.append("\n".join(reasons or ["  push did not get all blessings; see the log"]) + "\n")


def _sentence(gate: dict[str, Any]) -> str:
    """One failed row of a gate."""
    figures = [f"{key} {gate[key]:.4g}" for key in ("value", "lower", "bound") if gate[key] is not None]
    told = ", ".join([f"{gate['gate']}: {gate['metric']}, {gate['slice']}", *figures])
    return told + (f" ({gate['reason']})" if gate["reason"] else "")


def _short(path: Path) -> str:
    """The path as seen from here, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
