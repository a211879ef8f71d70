"""What a flatbuffer is worth and takes: quality, bytes, multiplications, memory, time; and what each layer became."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.models.flatbuffer import analyze, interpreter
from modelmill.data.metric import Metric, Records, Stats

ZSTD_LEVEL = 19
BATCH = 256
# The lower rungs of the ladder (the upper: rewrites/qat.py): what was not trained for fewer bits was rounded or left.
AFTERWARDS, FLOAT = "post-training", "float"


def quality(
    made: interpreter.Flatbuffer,
    pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    metric: Metric,
    record: Callable[[NDArray[np.float32], NDArray[Any]], Records],
) -> dict[str, float]:
    """Return a metric of a flatbuffer, computed batch by batch as the evaluation does.

    Args:
      made: the flatbuffer.
      pairs: (input, label), of single examples.
      metric: of the task.
      record: the task's.

    Raises:
      FloatingPointError: an answer is not finite.
      ValueError: the metric means nothing on these examples.
    """
    stats: Stats = {}
    rest = iter(pairs)
    while batch := list(islice(rest, BATCH)):
        answers = made.predict_all(inputs for inputs, _ in batch)
        if not np.isfinite(answers).all():
            raise FloatingPointError("the flatbuffer answers with numbers that are not finite")
        recorded = record(answers, np.array([label for _, label in batch]))
        stats = metric.merge([stats, metric.accumulate(recorded)])
    value = metric.value(stats)
    if not math.isfinite(value):
        raise ValueError(
            f"{metric.name} means nothing on the eval split; give it more data, or another evaluate.metric"
        )
    return {metric.name: value}


def sizes(path: Path) -> dict[str, Any]:
    """Sizes, sparsity, MACs, parameters and arena, as they stand in trial.json."""
    import zstandard

    content, found = path.read_bytes(), analyze.read(path)
    return {
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
        "zstd_bytes": len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content)),
        "sparsity": found.sparsity,
        "macs": found.macs,
        "parameters": found.parameters,
        "arena_bytes": interpreter.arena_bytes(path),
        "output": interpreter.Flatbuffer(path).output,
    }


def latencies(path: Path, float_path: Path, example: NDArray[np.generic]) -> dict[str, Any]:
    """On one thread and on all, beside the float32 flatbuffer in the same run; `ratio` is relative to it."""
    every = os.cpu_count() or 1
    found: dict[str, Any] = {}
    for name, threads in (("one_thread", 1), ("all_threads", every)) if every > 1 else (("one_thread", 1),):
        pair = [interpreter.Flatbuffer(one, threads) for one in (path, float_path)]
        own, exact = interpreter.latencies_ms(pair, example)
        found[name] = {**own, "float_median": exact["median"], "threads": threads, "calls": interpreter.CALLS}
    one = found["one_thread"]
    return {"latency_ms": one["median"], "float_latency_ms": one["float_median"], "latency": found}


def layers(
    path: Path,
    names: list[str],
    skipped: Iterable[dict[str, str]],
    changed: Iterable[dict[str, str]],
    rungs: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """A row for each kernel: what it is made of in the flatbuffer, what was done to it, and why something was not.

    Args:
      names: of the model's layers with weights.
      skipped: what methods left alone: layer, method, reason.
      changed: what they did that the flatbuffer does not show: layer, method, what.
      rungs: of layers that were trained with fewer bits simulated, in which way.
    """
    rungs, rows = rungs or {}, []
    for layer, kernel in analyze.layers(analyze.read(path), names):
        why = [f"{one['method']}: {one['reason']}" for one in skipped if one["layer"] == layer]
        rung = FLOAT if kernel.bits > 8 else rungs.get(layer, AFTERWARDS)
        if layer in rungs and rung == FLOAT:
            why.append(f"{rungs[layer]}, but the converter left it: what goes into it has no range, and it is small")
        rows.append(
            {
                "layer": layer,
                "operator": kernel.operator,
                "method": _kind(kernel),
                "rung": rung,
                "bits": kernel.bits,
                "shape": list(kernel.shape),
                "sparsity": kernel.zeros,
                "distinct": kernel.distinct,
                "bytes": kernel.bytes,
                "macs": kernel.macs,
                "changed": [f"{one['method']}: {one['what']}" for one in changed if one["layer"] == layer],
                "skipped": why,
            }
        )
    return rows


def _kind(kernel: analyze.Kernel) -> str:
    """How the operator computes."""
    if kernel.bits == 32:
        return "float32"
    if kernel.bits == 16:
        return "float16"
    return f"int{kernel.bits} throughout" if kernel.activations <= 16 else f"int{kernel.bits} weights"
