"""The kernels of a flatbuffer: what they were, what became of them, and by which rung of the ladder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded

COLUMNS = ["kernel", "shape", "numbers", "rung", "zeros", "bytes before", "bytes after"]


def make(run: Recorded) -> dict[str, Any] | None:
    """The kernels of the chosen flatbuffer, and what they were in the float one; None if nothing is known of them."""
    report = run.json("compress", "report", "trials.json") or {}
    if not report.get("trials"):
        return None
    after = report["trials"][report["chosen"]].get("layers") or []
    before = {key: row["bytes"] for key, row in _counted(report["float"].get("layers") or [])}
    if not after:
        return None
    rows = [
        [
            row["layer"],
            " × ".join(map(str, row["shape"])),
            row["method"],
            row.get("rung", "–"),
            format.share(row["sparsity"]),
            format.size(before.get(key)),
            format.size(row["bytes"]),
        ]
        for key, row in _counted(after)
    ]
    total = sum(row["bytes"] for row in after)
    zeros = sum(row["bytes"] * row["sparsity"] for row in after) / max(total, 1)
    largest = max(after, key=lambda row: int(row["bytes"]))
    count, share = format.plural(len(rows), "kernel"), largest["bytes"] / max(total, 1)
    says = f"{count}, {zeros:.0%} zeros; the largest, {largest['layer']}, holds {share:.0%} of their bytes."
    return {"columns": COLUMNS, "rows": rows, "says": says}


def _counted(rows: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, int], dict[str, Any]]]:
    """Each kernel behind its layer's name and its number there: attention has several."""
    seen: dict[str, int] = {}
    for row in rows:
        seen[row["layer"]] = seen.get(row["layer"], 0) + 1
        yield (row["layer"], seen[row["layer"]]), row
