"""Writes recorded predictions as the node `evaluate-compressed` does, of whole answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelmill.data import predictions, task
from modelmill.data.predictions import COMPRESSED, FLOAT, Prediction


def write(folder: Path, asked: str, rows: list[dict[str, Any]]) -> None:
    """Write rows into a folder.

    Args:
      folder: of a Predictions artifact.
      asked: the task.
      rows: sha256, label as the task has it, float and compressed (the answers), class (the raw label; absent: none),
        and slices (raw values by feature; absent: none).
    """
    if not rows:
        predictions.write(str(folder), [], 0)
        return
    labels = np.array([row["label"] for row in rows])
    records = [
        predictions.serialize(task.look_up(asked).record(np.array([row[model] for row in rows], np.float32), labels))
        for model in (FLOAT, COMPRESSED)
    ]
    made = []
    for row, *both in zip(rows, *records, strict=True):
        label = {"label": (row["class"],)} if "class" in row else {}
        slices = {name: (value,) for name, value in row.get("slices", {}).items()}
        made.append(Prediction(row["sha256"], {**label, **slices}, *both))
    predictions.write(str(folder), predictions.in_order(made), len(made))
