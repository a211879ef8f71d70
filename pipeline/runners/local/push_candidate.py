"""Another result of a run's compression, to be judged and pushed without compressing again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from modelmill.components.artifacts import FLATBUFFER, TRIALS_FILE
from modelmill.pipeline.experiment.experiment import Experiment, load
from modelmill.pipeline.layout import RunFolder
from modelmill.pipeline.records import mlmd

CANDIDATES = ("quality", "balanced", "compact")


class NoCandidateError(ValueError):
    """A run without what is asked for; the message says why."""


def restore(folder: Path, candidate: str) -> Experiment:
    """Puts the run's trials back where the Compressor looks for finished ones.

    Args:
      folder: of the run.
      candidate: quality, balanced or compact.

    Returns:
      The run's experiment, with that candidate instead of the preferred result. Running it takes all nodes before the
      Compressor from the cache, all trials from where they were put, and passes every gate behind them.

    Raises:
      NoCandidateError: nothing was compressed in this run, or its trials are gone.
    """
    run = mlmd.read(folder)
    found: dict[str, Any] | None = run.json("compress", "report", TRIALS_FILE)
    place = run.path("compress", "report")
    if found is None or place is None or "folders" not in found:
        raise NoCandidateError(f"{folder}: no trials of compression are on record there (status: {_status(run)})")
    if candidate not in found["candidates"]:
        raise NoCandidateError(f"{folder}: no chain gave a result, so there is no {candidate} one")
    checkpoints = run.folders.experiment / "checkpoints"
    for number, (name, tried) in enumerate(zip(found["folders"], [found["float"], *found["trials"]], strict=True)):
        source, target = place / "trials" / str(number), checkpoints / name
        if (source / FLATBUFFER).is_file():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            _write(target / "failed.json", {"reason": tried["reason"]})
    if found["search"]:
        _write(checkpoints / found["search"]["folder"] / "found.json", found["search"])
    _write(checkpoints / "restored.json", found["folders"])
    return load(str(RunFolder(folder).copy), [f"compress.candidate={candidate}"])


def _status(run: mlmd.Recorded) -> str:
    return str(run.summary.get("status", "unknown"))


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
