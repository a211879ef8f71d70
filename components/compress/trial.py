"""One trial: a chain of methods, applied and measured. A program: `python -m components.compress.trial FILE`.

A process of its own, so that an abort of a converter or an interpreter is a failed trial and not a failed run.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from components import child
from components.artifacts import FLATBUFFER, TRIAL_FILE
from components.compress import method
from components.compress.context import Context, steps
from components.models import runtime, store
from components.models.input import Examples
from data import modality


def run(job: dict[str, Any]) -> None:
    """Applies a chain and measures its flatbuffer.

    Args:
      job: chain; rebuild (folder of the stored model); files of the train and eval split; augment; seed; folder
        (that takes model.tflite and trial.json); float (path of the float32 flatbuffer, or None for itself).
    """
    import tf_keras

    start = time.perf_counter()
    tf_keras.utils.set_random_seed(job["seed"])
    stored, model = store.load(Path(job["rebuild"]))
    policy = modality.look_up(stored.spec.modality).Policy.model_validate(job["augment"])
    examples = {split: Examples(files, stored.spec, stored.batch) for split, files in job["files"].items()}
    context = Context(stored, examples, policy, job["seed"], method.label(job["chain"]))
    content = _apply(model, job["chain"], context)
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FLATBUFFER
    path.write_bytes(content)
    trial = {
        "chain": job["chain"],
        "label": context.name,
        "status": "ok",
        "reason": "",
        **_measure(path, Path(job["float"] or path), examples["eval"]),
        "skipped": context.skipped,
        "seconds": time.perf_counter() - start,
    }
    (folder / TRIAL_FILE).write_text(json.dumps(trial, indent=1))


def _apply(model: Any, chain: list[dict[str, Any]], context: Context) -> bytes:
    """The chain's flatbuffer; float32 if no method of it writes one."""
    content = None
    for found, config in steps(chain):
        if hasattr(found, "tune"):
            model = found.tune(model, config, context)
        if found.EXPORTS:
            content = found.export(model, config, context)
    return content if content is not None else bytes(context.converter(model).convert())


def _measure(path: Path, float_path: Path, examples: Examples) -> dict[str, Any]:
    """Quality on the eval split, sizes, sparsity, and latency beside the float32 flatbuffer's."""
    pairs = list(examples.raw().as_numpy_iterator())
    flatbuffer = runtime.Flatbuffer(path)
    answers = flatbuffer.predict_all(inputs for inputs, _ in pairs)
    if not np.isfinite(answers).all():
        raise FloatingPointError("the flatbuffer answers with numbers that are not finite")
    labels = np.array([label for _, label in pairs])
    latency, float_latency = runtime.latencies_ms([flatbuffer, runtime.Flatbuffer(float_path)], pairs[0][0])
    content = path.read_bytes()
    return {
        "metrics": {"accuracy": float(np.mean(answers.argmax(axis=1) == labels))},
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
        "sparsity": runtime.zeros(path),
        "latency_ms": latency,
        "float_latency_ms": float_latency,
    }


if __name__ == "__main__":
    run(child.job(sys.argv))
