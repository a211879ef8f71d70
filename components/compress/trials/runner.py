"""Applies chains and measures what they come to; the steps with which several of them begin are made once."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from modelmill.components.artifacts import FLATBUFFER, TRIAL_FILE
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import conversion
from modelmill.components.compress.context import Context, steps
from modelmill.components.compress.trials import measure
from modelmill.components.compress.trials import store as trials_store
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import edit, interpreter
from modelmill.components.models.networks import Networks
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality, task
from modelmill.data.core import subprocess_job

if TYPE_CHECKING:
    import tf_keras


# Tuned models that a search holds on to.
KEPT = 12


@dataclass
class _Tuned:
    """Networks behind the first steps of a chain, the seconds that they took, what they skipped and changed.

    `rungs`: see Context; only the last step of a chain gives them. `quality`: its metrics, if there is a watch.
    """

    networks: Networks
    seconds: float = 0.0
    skipped: list[dict[str, str]] = field(default_factory=list)
    changed: list[dict[str, str]] = field(default_factory=list)
    rungs: dict[str, str] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)


class Bench:
    """Where trials are made.

    Args:
      work: rebuild (folder of the stored model); files of each of Context.examples; augment; metric; seed.
      chains: all that will be tried here; tells which of the tuned models are needed again.
      keep: hold on to the latest tuned models though no chain is known that needs them.
      watch: is told, of each step but the last, what is left of the metrics; may raise to end the trial.
    """

    def __init__(
        self,
        work: dict[str, Any],
        chains: list[list[dict[str, Any]]],
        keep: bool = False,
        watch: Callable[[dict[str, float], str], None] | None = None,
    ) -> None:
        import tensorflow as tf

        # As the Trainer does: the same bits in each process, however many there are and whatever else they do.
        tf.config.experimental.enable_op_determinism()
        self._stored, networks = model_store.load_networks(Path(work["rebuild"]))
        self._served = family.look_up(self._stored.family.family).SERVED
        self._policy = modality.look_up(self._stored.spec.modality).Policy.model_validate(work["augment"])
        self._examples = {
            split: Examples(files, self._stored.spec, self._stored.batch) for split, files in work["files"].items()
        }
        self._task = task.look_up(self._stored.spec.task)
        self._metric = task.metric(self._stored.spec.task, work["metric"])
        self._seed, self._chains = work["seed"], chains
        self._keep, self._watch = keep, watch
        self._tuned = {_key([]): _Tuned(networks)}

    @property
    def model(self) -> tf_keras.Model:
        """The trained network that gives the answer."""
        return self._tuned[_key([])].networks[self._served[0]]

    def context(self, name: str, tuned: _Tuned | None = None) -> Context:
        """What a method is handed that goes on from `tuned`."""
        skipped, changed = (list(tuned.skipped), list(tuned.changed)) if tuned else ([], [])
        found = Context(self._stored, self.model, self._examples, self._policy, self._seed, name, skipped, changed)
        found.enter(self._served[0], (tuned or self._tuned[_key([])]).networks)
        return found

    def attempt(self, chain: list[dict[str, Any]], folder: Path) -> None:
        """As `run`, but what goes wrong is a result, too: failed.json says why. A full memory or disk is raised."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.run(chain, folder)
        except Exception as error:
            if subprocess_job.is_passing(error):
                raise
            _failed(folder, error)

    def run(self, chain: list[dict[str, Any]], folder: Path) -> None:
        """Applies a chain and writes its flatbuffer and made.json, the latter last.

        Raises:
          ConversionError: the TFLite converter can't convert the model.
          And whatever a method raises.
        """
        start = time.perf_counter()
        label = compress_chain.label(chain)
        with conversion.explained(self._stored.family.family, label):
            content, tuned = self._apply(chain, label)
        path, names = folder / FLATBUFFER, _names(tuned.networks)
        path.write_bytes(edit.slim(content, names))
        trial = {
            "chain": chain,
            "label": label,
            "status": "ok",
            "reason": "",
            **self._measure(path),
            "skipped": tuned.skipped,
            "changed": tuned.changed,
            "layers": measure.layers(path, names, tuned.skipped, tuned.changed, tuned.rungs),
            "seconds": time.perf_counter() - start + tuned.seconds,
        }
        trials_store.write(folder / trials_store.MADE_FILE, trial)

    def finish(self, folder: Path, float_folder: Path) -> None:
        """Measures how fast a trial is that was made, beside the float32 flatbuffer; trial.json is whole then.

        While others compute it would say little: to be called when all of them are done.
        """
        made = folder / trials_store.MADE_FILE
        if not made.exists():
            return
        try:
            example, _ = next(self._examples["eval"].raw().take(1).as_numpy_iterator())
            latencies = measure.latencies(folder / FLATBUFFER, float_folder / FLATBUFFER, example)
        except Exception as error:
            if subprocess_job.is_passing(error):
                raise
            made.unlink()
            _failed(folder, error)
            return
        trials_store.write(made, {**trials_store.read(made), **latencies})
        os.replace(made, folder / TRIAL_FILE)
        (folder / trials_store.ENDED_FILE).unlink(missing_ok=True)

    def _apply(self, chain: list[dict[str, Any]], label: str) -> tuple[bytes, _Tuned]:
        """The chain's flatbuffer, float32 if no method of it writes one; and what it was begun with or has become."""
        begun = next(end for end in range(len(chain), -1, -1) if _key(chain[:end]) in self._tuned)
        tuned = self._tuned[_key(chain[:begun])]
        if begun:
            self._remember(chain[:begun], tuned)  # the latest again
            self._look(tuned.quality, chain[:begun])
        context = self.context(label, tuned)
        networks, start = tuned.networks, time.perf_counter()
        for place, (found, config) in enumerate(steps(chain)):
            if place < begun:
                continue
            _as_in_a_fresh_process(self._seed)
            for name in self._served if found.tunes() else ():
                context.enter(name, networks, self._tuned[_key([])].networks)
                model = found.tune(networks[name], config, context)
                networks = {**context.others, name: model}
            context.enter(self._served[0], networks)
            model = networks[self._served[0]]
            if found.EXPORTS:
                return found.export(model, config, context), _Tuned(
                    networks, tuned.seconds, context.skipped, context.changed, context.rungs
                )
            quality = self._quality(model, context) if self._watch else {}
            if self._keep or any(other[: place + 1] == chain[: place + 1] for other in self._chains if other != chain):
                spent = tuned.seconds + time.perf_counter() - start
                new = _Tuned(networks, spent, [*context.skipped], [*context.changed], quality=quality)
                self._remember(chain[: place + 1], new)
            self._look(quality, chain[: place + 1])
        _as_in_a_fresh_process(self._seed)
        content = bytes(context.converter(networks[self._served[0]]).convert())
        return content, _Tuned(networks, tuned.seconds, context.skipped, context.changed)

    def _remember(self, chain: list[dict[str, Any]], tuned: _Tuned) -> None:
        self._tuned.pop(_key(chain), None)
        self._tuned[_key(chain)] = tuned
        if self._keep and len(self._tuned) > KEPT:
            del self._tuned[next(key for key in self._tuned if key != _key([]))]

    def _look(self, quality: dict[str, float], chain: list[dict[str, Any]]) -> None:
        """Tells the watch what is left behind the first steps of a chain, be they new or another's."""
        if self._watch:
            self._watch(quality, compress_chain.label(chain))

    def _quality(self, model: tf_keras.Model, context: Context) -> dict[str, float]:
        """Metrics on the eval split of a model as it is, in float32."""
        with TemporaryDirectory() as folder:
            path = Path(folder, FLATBUFFER)
            path.write_bytes(context.converter(model).convert())
            return self._metrics(interpreter.Flatbuffer(path))

    def _measure(self, path: Path) -> dict[str, Any]:
        """Quality on the eval split, sizes, sparsity."""
        quality = self._metrics(interpreter.Flatbuffer(path))
        return {"metrics": quality, "higher_is_better": self._metric.higher, **measure.sizes(path)}

    def _metrics(self, made: interpreter.Flatbuffer) -> dict[str, float]:
        """Quality on the eval split as a device has it."""
        pairs = self._examples["eval"].raw().as_numpy_iterator()
        return measure.quality(made, pairs, self._metric, self._task.record)


def _failed(folder: Path, error: Exception) -> None:
    traceback.print_exception(error)
    trials_store.fail(folder, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _as_in_a_fresh_process(seed: int) -> None:
    """Seeds and names begin anew: a step comes out the same whatever was tried before it."""
    import tf_keras

    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)


def _key(chain: list[dict[str, Any]]) -> str:
    return json.dumps(chain, sort_keys=True)


def _names(networks: Networks) -> list[str]:
    """Return the names of the layers with weights, without what TF-MOT puts before them."""
    layers = [layer for network in networks.values() for layer in network.submodules]
    return [layer.name.removeprefix("quant_") for layer in layers if getattr(layer, "weights", None)]
