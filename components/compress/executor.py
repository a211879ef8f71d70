"""What the Compressor does: tries every chain, chooses the smallest within the budget."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from components import child, progress
from components.artifacts import FLATBUFFER, TRIAL_FILE, TRIALS_FILE
from components.compress import method
from components.compress.config import CompressConfig

TRIALS = "trials"


def compress(work: dict[str, Any], config: CompressConfig, checkpoints: Path, model: Path, report: Path) -> None:
    """Tries the chains and writes the chosen flatbuffer and the report of all.

    Args:
      work: what every trial gets: rebuild, files, augment, seed, code.
      config: the chains and the budget.
      checkpoints: a folder that outlives a killed run; finished trials are taken from there.
      model: folder of the CompressedModel.
      report: folder of the CompressionReport.

    Raises:
      RuntimeError: every chain failed.
    """
    chains: list[list[dict[str, Any]]] = [[], *(list(chain) for chain in config.chains)]
    trials: list[dict[str, Any]] = []
    folders: list[Path] = []
    for done, chain in enumerate(chains):
        progress.bar("trials", done, len(chains), method.label(chain))
        folder = checkpoints / _digest([work, chain])
        base = str(folders[0] / FLATBUFFER) if folders else None
        trials.append(_try({**work, "chain": chain, "folder": str(folder), "float": base}))
        folders.append(folder)
        if not chain and trials[0]["status"] != "ok":
            raise RuntimeError(f"the float model can't be written as a flatbuffer: {trials[0]['reason']}")
    progress.bar("trials", len(chains), len(chains))
    float32, *trials = trials
    for trial in trials:
        trial["over"] = _over(trial, float32, config)
        trial["within_budget"] = trial["status"] == "ok" and not trial["over"]
    chosen = _choose(trials)
    for number, folder in enumerate(folders):
        if (folder / FLATBUFFER).exists():
            shutil.copytree(folder, report / TRIALS / str(number), dirs_exist_ok=True)
    content = {
        "float": float32,
        "trials": trials,
        "chosen": chosen,
        "within_budget": trials[chosen]["within_budget"],
    }
    _write(report / TRIALS_FILE, content)
    model.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folders[chosen + 1] / FLATBUFFER, model / FLATBUFFER)
    _write(model / TRIAL_FILE, trials[chosen])
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _try(job: dict[str, Any]) -> dict[str, Any]:
    """Runs a trial, or reads the one that a killed run had finished. A failed trial is a result too."""
    finished = Path(job["folder"], TRIAL_FILE)
    if not finished.exists():
        try:
            child.run("components.compress.trial", job)
        except child.ChildError as error:
            label = method.label(job["chain"])
            progress.note(f"trial {label} failed: {error}")
            return {"chain": job["chain"], "label": label, "status": "failed", "reason": str(error), "skipped": []}
    trial: dict[str, Any] = json.loads(finished.read_text())
    return trial


def _over(trial: dict[str, Any], float32: dict[str, Any], config: CompressConfig) -> list[str]:
    """The limits of the budget that a trial breaks, in words."""
    if trial["status"] != "ok":
        return []
    over = []
    for metric, value in trial["metrics"].items():
        drop = float32["metrics"][metric] - value
        # A difference of shares of one split: what is less than the rounding of a float64 is no difference.
        if drop > config.max_drop + 1e-9:
            over.append(f"{metric} falls by {drop:.4f}, allowed is {config.max_drop:g} (compress.max_drop)")
    if config.max_bytes is not None and trial["gzip_bytes"] > config.max_bytes:
        over.append(f"{trial['gzip_bytes']:,} bytes gzipped, allowed are {config.max_bytes:,} (compress.max_bytes)")
    if config.max_latency_ms is not None and trial["latency_ms"] > config.max_latency_ms:
        over.append(f"{trial['latency_ms']:.3f} ms, allowed are {config.max_latency_ms:g} (compress.max_latency_ms)")
    return over


def _choose(trials: list[dict[str, Any]]) -> int:
    """The smallest within the budget; else the best of those that are not, for a gate to refuse."""
    sound = [number for number, trial in enumerate(trials) if trial["status"] == "ok"]
    if not sound:
        reasons = "; ".join(f"{trial['label']}: {trial['reason']}" for trial in trials)
        raise RuntimeError(f"every compression chain failed: {reasons}")
    within = [number for number in sound if trials[number]["within_budget"]]
    if within:
        return min(within, key=lambda number: (trials[number]["gzip_bytes"], number))
    return max(sound, key=lambda number: (sum(trials[number]["metrics"].values()), -number))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.new")
    staging.write_text(json.dumps(content, indent=1))
    os.replace(staging, path)
