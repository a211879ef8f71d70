"""Memory of the evaluation of a compressed model on examples of 1,000 classes, each number of them in a process of its
own: predictions are sorted, written, compared by TFMA with a slice for each class, and agreement is counted.

`make bench ARGS='-k evaluation_memory'` runs the whole form; tests/components/test_evaluate_memory.py a small one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLASSES, BLOCK = 1000, 500
COUNTS = (50_000, 200_000)


def test_evaluation_memory(tmp_path: Path) -> None:
    for slices, counts in (("half", COUNTS), ("label", COUNTS)):
        print(f"\nslices by {slices}")
        grown = []
        for count in counts:
            found = in_child(tmp_path / f"{slices}-{count}", count, slices)
            grown.append(found["peak"])
            print(
                f"  {count:7,} examples: {found['seconds']:5.0f} s, peak {found['peak'] / 1e6:6,.0f} MB resident, "
                f"{found['grown'] / 1e6:6,.0f} MB above imports, {found['file'] / count:4.0f} bytes an example on disk"
            )
        assert grown[1] - grown[0] < 0.25 * (counts[1] - counts[0]) * 2 * 4 * CLASSES


def in_child(folder: Path, count: int, slices: str) -> dict[str, Any]:
    """Evaluate so many examples in a process of their own, and return what it measured."""
    command = [sys.executable, __file__, str(folder), str(count), slices]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def predicted(block: int) -> Iterator[Any]:
    """Predictions of a block of examples, from whole answers of two models that mostly agree."""
    import hashlib

    import numpy as np

    from modelmill.data import predictions, task
    from modelmill.data.predictions import Prediction

    random, record = np.random.default_rng(block), task.look_up("classification").record
    labels = random.integers(0, CLASSES, BLOCK)
    logits = random.normal(size=(BLOCK, CLASSES)) + 4 * np.eye(CLASSES)[labels]
    records = []
    for noise in (0.0, 0.2):
        answers = np.exp(logits + noise * random.normal(size=logits.shape))
        answers = (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32)
        records.append(predictions.serialize(record(answers, labels)))
    for place, (label, *both) in enumerate(zip(labels.tolist(), *records, strict=True)):
        content = hashlib.sha256(f"{block}/{place}".encode()).hexdigest()
        yield Prediction(content, {"label": (f"class {label}",), "half": (place % 2,)}, *both)


def main(folder: str, count: int, slices: str) -> None:
    """Evaluate, and print seconds, resident memory at the peak and above what imports take, and bytes of the files."""
    import apache_beam as beam

    from modelmill.components.beam_runners import LOCAL_BEAM
    from modelmill.components.evaluate import agreement, compare, tfma_results
    from modelmill.components.evaluate import predictions as recording
    from modelmill.components.evaluate.config import EvaluateConfig
    from modelmill.data import predictions, task

    recording.RUN = min(recording.RUN, max(count // 4, BLOCK))
    before, start = resident("VmRSS"), time.perf_counter()
    options = beam.options.pipeline_options.PipelineOptions(list(LOCAL_BEAM))
    with beam.Pipeline(options=options) as pipeline:
        blocks = pipeline | beam.Create(range(count // BLOCK), reshuffle=False)
        recording.write(blocks | "Predicted" >> beam.FlatMap(predicted), folder)
    config = EvaluateConfig(threshold=0.5, slices=(slices,)).resolved("classification")
    with beam.Pipeline(options=options) as pipeline:
        compare.compare(pipeline, folder, f"{folder}/evaluation", "classification", config)
    agreed = agreement.read(folder, (slices,), task.look_up("classification").same)
    assert agreed[tfma_results.OVERALL].examples == count // BLOCK * BLOCK
    peak = resident("VmHWM")
    measured = {"seconds": time.perf_counter() - start, "peak": peak, "grown": peak - before}
    measured["examples"] = tfma_results.read(f"{folder}/evaluation")[tfma_results.OVERALL].examples
    measured["file"] = sum(Path(path).stat().st_size for path in predictions.paths(folder))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
