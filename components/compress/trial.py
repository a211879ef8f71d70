"""Chains, applied and measured one after the other. A program: `python -m components.compress.trial FILE`.

A process of its own, so that an abort of a converter or an interpreter is a failed trial and not a failed run. One
for all of them, so that they share the loading of TensorFlow, the examples, and the steps with which chains begin.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components import child, progress
from components.artifacts import FLATBUFFER, TRIAL_FILE
from components.compress import measure, method
from components.compress.context import Context, steps
from components.models import runtime, store
from components.models.input import Examples
from data import modality, task

if TYPE_CHECKING:
    import tf_keras

    from data.task import Metric

FAILED_FILE = "failed.json"
TRIALS = "trials"


@dataclass
class _Tuned:
    """A model behind the first steps of a chain, the seconds that they took, what they skipped and changed."""

    model: tf_keras.Model
    seconds: float = 0.0
    skipped: list[dict[str, str]] = field(default_factory=list)
    changed: list[dict[str, str]] = field(default_factory=list)


class Bench:
    """Where trials are made.

    Args:
      work: rebuild (folder of the stored model); files of each of Context.examples; augment; metric; seed.
      chains: all that will be tried here; tells which of the tuned models are needed again.
    """

    def __init__(self, work: dict[str, Any], chains: list[list[dict[str, Any]]]) -> None:
        self._stored, model = store.load(Path(work["rebuild"]))
        self._policy = modality.look_up(self._stored.spec.modality).Policy.model_validate(work["augment"])
        self._examples = {
            split: Examples(files, self._stored.spec, self._stored.batch) for split, files in work["files"].items()
        }
        self._metric = task.metric(self._stored.spec.task, work["metric"])
        self._seed, self._chains = work["seed"], chains
        self._tuned = {_key([]): _Tuned(model)}

    def run(self, chain: list[dict[str, Any]], folder: Path, float_path: Path) -> None:
        """Applies a chain and writes its flatbuffer and trial.json, the latter last."""
        start = time.perf_counter()
        label = method.label(chain)
        content, tuned = self._apply(chain, label)
        path = folder / FLATBUFFER
        path.write_bytes(content)
        trial = {
            "chain": chain,
            "label": label,
            "status": "ok",
            "reason": "",
            **_measure(path, float_path, self._examples["eval"], self._metric),
            "skipped": tuned.skipped,
            "changed": tuned.changed,
            "layers": measure.layers(path, _names(tuned.model), tuned.skipped, tuned.changed),
            "seconds": time.perf_counter() - start + tuned.seconds,
        }
        (folder / TRIAL_FILE).write_text(json.dumps(trial, indent=1))

    def _apply(self, chain: list[dict[str, Any]], label: str) -> tuple[bytes, _Tuned]:
        """The chain's flatbuffer, float32 if no method of it writes one; and what it was begun with or has become."""
        begun = next(end for end in range(len(chain), -1, -1) if _key(chain[:end]) in self._tuned)
        tuned = self._tuned[_key(chain[:begun])]
        context = Context(
            *(self._stored, self._examples, self._policy, self._seed, label),
            *(list(tuned.skipped), list(tuned.changed)),
        )
        model, start = tuned.model, time.perf_counter()
        for place, (found, config) in enumerate(steps(chain)):
            if place < begun:
                continue
            _as_in_a_fresh_process(self._seed)
            if hasattr(found, "tune"):
                model = found.tune(model, config, context)
            if found.EXPORTS:
                return found.export(model, config, context), _Tuned(
                    model, tuned.seconds, context.skipped, context.changed
                )
            if any(other[: place + 1] == chain[: place + 1] for other in self._chains if other != chain):
                spent = tuned.seconds + time.perf_counter() - start
                self._tuned[_key(chain[: place + 1])] = _Tuned(
                    model, spent, list(context.skipped), list(context.changed)
                )
        _as_in_a_fresh_process(self._seed)
        return bytes(context.converter(model).convert()), _Tuned(model, tuned.seconds, context.skipped, context.changed)


def run(job: dict[str, Any]) -> None:
    """Tries chains; one that fails is a result, too: failed.json says why.

    Args:
      job: work (see Bench); trials: chain and folder of each; float: folder of the float32 flatbuffer, which is made
        by the empty chain, the first of them; done and total: of all chains, for the progress.
    """
    bench = Bench(job["work"], [trial["chain"] for trial in job["trials"]])
    for number, trial in enumerate(job["trials"]):
        progress.bar(TRIALS, job["done"] + number, job["total"], method.label(trial["chain"]))
        folder = Path(trial["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        try:
            bench.run(trial["chain"], folder, Path(job["float"], FLATBUFFER))
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            (folder / FAILED_FILE).write_text(json.dumps({"reason": reason}))
            if not trial["chain"]:
                return


def _as_in_a_fresh_process(seed: int) -> None:
    """Seeds and names begin anew: a step comes out the same whatever was tried before it."""
    import tf_keras

    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)


def _key(chain: list[dict[str, Any]]) -> str:
    return json.dumps(chain, sort_keys=True)


def _names(model: tf_keras.Model) -> list[str]:
    """Of the layers with weights, without what TF-MOT puts before them."""
    return [layer.name.removeprefix("quant_") for layer in model.submodules if getattr(layer, "weights", None)]


def _measure(path: Path, float_path: Path, examples: Examples, metric: Metric) -> dict[str, Any]:
    """Quality on the eval split, sizes, sparsity, and latency beside the float32 flatbuffer's."""
    pairs = list(examples.raw().as_numpy_iterator())
    flatbuffer = runtime.Flatbuffer(path)
    answers = flatbuffer.predict_all(inputs for inputs, _ in pairs)
    if not np.isfinite(answers).all():
        raise FloatingPointError("the flatbuffer answers with numbers that are not finite")
    quality = metric.function(answers, np.array([label for _, label in pairs]))
    if not math.isfinite(quality):
        raise ValueError(
            f"{metric.name} means nothing on the eval split; give it more data, or another evaluate.metric"
        )
    return {
        "metrics": {metric.name: quality},
        "higher_is_better": metric.higher,
        **measure.sizes(path),
        **measure.latencies(path, float_path, pairs[0][0]),
    }


if __name__ == "__main__":
    run(child.job(sys.argv))
