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
from components.compress import method, trial
from components.compress.config import CompressConfig


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
    folders = [checkpoints / _digest([work, chain]) for chain in chains]
    trials = _try(work, chains, folders)
    progress.bar(trial.TRIALS, len(chains), len(chains))
    float32, *trials = trials
    for tried in trials:
        tried["over"] = _over(tried, float32, config)
        tried["within_budget"] = tried["status"] == "ok" and not tried["over"]
    chosen = _choose(trials)
    for number, folder in enumerate(folders):
        if (folder / FLATBUFFER).exists():
            shutil.copytree(folder, report / trial.TRIALS / str(number), dirs_exist_ok=True)
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


def _try(work: dict[str, Any], chains: list[list[dict[str, Any]]], folders: list[Path]) -> list[dict[str, Any]]:
    """Runs the trials that a killed run had not finished, in a child; where it dies, another one does the rest.

    Raises:
      RuntimeError: the float model can't be written as a flatbuffer.
    """
    failed: dict[int, str] = {}
    for folder in folders:
        (folder / trial.FAILED_FILE).unlink(missing_ok=True)
    while todo := [
        place for place, folder in enumerate(folders) if place not in failed and not (folder / TRIAL_FILE).exists()
    ]:
        job = {
            "work": work,
            "trials": [{"chain": chains[place], "folder": str(folders[place])} for place in todo],
            "float": str(folders[0]),
            "done": len(chains) - len(todo),
            "total": len(chains),
        }
        word = "the process ended without a result"
        try:
            child.run(trial.__name__, job)
        except child.ChildError as error:
            word = str(error)
        for place in todo:
            told = folders[place] / trial.FAILED_FILE
            if told.exists():
                failed[place] = json.loads(told.read_text())["reason"]
            elif not (folders[place] / TRIAL_FILE).exists():
                failed[place] = word  # the child died of this one; it has not begun with those behind it
                break
        if 0 in failed:
            raise RuntimeError(f"the float model can't be written as a flatbuffer: {failed[0]}")
    return [_result(chains[place], folder, failed.get(place)) for place, folder in enumerate(folders)]


def _result(chain: list[dict[str, Any]], folder: Path, reason: str | None) -> dict[str, Any]:
    """What a trial has written; a failed trial is a result too."""
    if reason is not None:
        label = method.label(chain)
        progress.note(f"trial {label} failed: {reason}")
        return {"chain": chain, "label": label, "status": "failed", "reason": reason, "skipped": []}
    found: dict[str, Any] = json.loads((folder / TRIAL_FILE).read_text())
    return found


def _over(tried: dict[str, Any], float32: dict[str, Any], config: CompressConfig) -> list[str]:
    """The limits of the budget that a trial breaks, in words."""
    if tried["status"] != "ok":
        return []
    over = []
    for metric, value in tried["metrics"].items():
        drop = (float32["metrics"][metric] - value) * _sign(tried)
        # A difference of shares of one split: what is less than the rounding of a float64 is no difference.
        if drop > config.max_drop + 1e-9:
            way = "falls" if _sign(tried) > 0 else "rises"
            over.append(f"{metric} {way} by {drop:.4f}, allowed is {config.max_drop:g} (compress.max_drop)")
    if config.max_bytes is not None and tried["gzip_bytes"] > config.max_bytes:
        over.append(f"{tried['gzip_bytes']:,} bytes gzipped, allowed are {config.max_bytes:,} (compress.max_bytes)")
    if config.max_latency_ms is not None and tried["latency_ms"] > config.max_latency_ms:
        over.append(f"{tried['latency_ms']:.3f} ms, allowed are {config.max_latency_ms:g} (compress.max_latency_ms)")
    return over


def _choose(trials: list[dict[str, Any]]) -> int:
    """The smallest within the budget; else the best of those that are not, for a gate to refuse."""
    sound = [number for number, tried in enumerate(trials) if tried["status"] == "ok"]
    if not sound:
        reasons = "; ".join(f"{tried['label']}: {tried['reason']}" for tried in trials)
        raise RuntimeError(f"every compression chain failed: {reasons}")
    within = [number for number in sound if trials[number]["within_budget"]]
    if within:
        return min(within, key=lambda number: (trials[number]["gzip_bytes"], number))
    return max(sound, key=lambda number: (sum(trials[number]["metrics"].values()) * _sign(trials[number]), -number))


def _sign(tried: dict[str, Any]) -> int:
    """1 where more of the metric is better, -1 where less is."""
    return 1 if tried.get("higher_is_better", True) else -1


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.new")
    staging.write_text(json.dumps(content, indent=1))
    os.replace(staging, path)
