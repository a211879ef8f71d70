"""The search, a program like trial.py: `python -m components.compress.hunt FILE`.

Optuna proposes chains, the bench tries them. Its journal and the finished trials lie in the checkpoints, so that a
killed search goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import child, progress
from components.artifacts import TRIAL_FILE
from components.compress import choice, method, sensitivity, trial
from components.compress.config import CompressConfig
from components.compress.search import SearchConfig

if TYPE_CHECKING:
    import optuna

JOURNAL, FOUND, CURRENT = "journal.log", "found.json", "current.json"
# Proposals in a row that were all tried before: the space is exhausted, or as good as.
REPEATS = 40


class HopelessError(RuntimeError):
    """A trial that is not worth finishing."""


class ForeignStorageError(ValueError):
    """The storage at hand is that of another search."""


def digest(content: Any) -> str:
    """Names what belongs together."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class Hunt:
    """One search.

    Args:
      job: work, see trial.Bench; config: the `compress` section; folder: of this search; trials: of all trials'
        folders; float: of the float32 flatbuffer; done, total: of the progress.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._config = CompressConfig.model_validate(job["config"])
        assert self._config.search is not None
        self._search: SearchConfig = self._config.search
        self._job, self._folder = job, Path(job["folder"])
        self._folder.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Any] = _read(self._folder / FOUND) or {
            **{"chains": [], "seconds": 0.0, "ended": "", "sensitivity": {}, "shares": {}},
        }
        self._float = json.loads(Path(job["float"], TRIAL_FILE).read_text())
        of = digest([job["work"], self._search.model_dump(mode="json")])
        self._study = open_study(self._folder / JOURNAL, of, len(self._search.objectives))

    def run(self) -> None:
        """Until the number of trials, the time or the space comes to its end."""
        import optuna

        for one in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)  # of a killed process
            self._study.enqueue_trial(one.params)
        # What a kill has left unfinished is begun anew; what has killed its process has failed.
        self._found["chains"] = [one for one in self._found["chains"] if self._result(one["folder"]) is not None]
        bench = trial.Bench(self._job["work"], [], keep=True, watch=self._watch)
        if not self._found["sensitivity"]:
            self._look(bench)
        begun, before, repeats = time.monotonic(), self._found["seconds"], 0
        shares = {float(key): value for key, value in self._found["shares"].items()}
        while not self._found["ended"]:
            self._found["seconds"] = before + time.monotonic() - begun
            if len(self._found["chains"]) >= self._search.max_trials:
                self._found["ended"] = f"after max_trials: {self._search.max_trials}"
            elif self._found["seconds"] > 60 * self._search.max_minutes:
                self._found["ended"] = f"after max_minutes: {self._search.max_minutes:g}"
            elif repeats >= REPEATS:
                self._found["ended"] = f"the last {REPEATS} proposals had all been tried"
            else:
                asked = self._study.ask()
                options = self._search.space.options().items()
                chosen = {name: asked.suggest_categorical(name, values) for name, values in options}
                new = self._try(bench, asked, self._search.space.chain(chosen, shares))
                repeats = 0 if new else repeats + 1
            trial.write(self._folder / FOUND, self._found)

    def _try(self, bench: trial.Bench, asked: optuna.Trial, chain: list[dict[str, Any]]) -> bool:
        """Tries one chain and tells Optuna; whether it had not been tried before."""
        import optuna

        folder = trial.folder(Path(self._job["trials"]), self._job["work"], chain)
        new = folder.name not in [one["folder"] for one in self._found["chains"]]
        if new:
            self._found["chains"].append({"chain": chain, "folder": folder.name})
            trial.write(self._folder / FOUND, self._found)
        if self._result(folder.name) is None:
            number = self._job["done"] + len(self._found["chains"]) - 1
            progress.bar(trial.TRIALS, number, self._job["total"], method.label(chain))
            trial.write(self._folder / CURRENT, {"folder": str(folder)})
            bench.attempt(chain, folder, Path(self._job["float"]))
            (self._folder / CURRENT).unlink(missing_ok=True)
        told = _read(folder / TRIAL_FILE)
        if told is None:
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            return new
        asked.set_constraint("budget", choice.excess(told, self._float, self._config))
        self._study.tell(asked, [choice.cost(told, name) for name in self._search.objectives])
        return new

    def _result(self, name: str) -> Any:
        """Of a trial: trial.json, or failed.json; None if it has not come to its end."""
        folder = Path(self._job["trials"]) / name
        return _read(folder / TRIAL_FILE) or _read(folder / trial.FAILED_FILE)

    def _look(self, bench: trial.Bench) -> None:
        """Sensitivity of the layers: shares out sparsities, and says in which order exports are tried."""
        context, model = bench.context("sensitivity"), bench.model
        pruned = sensitivity.pruning(model, context) if self._search.space.prune else {}
        sizes = {name: int(model.get_layer(name).kernel.shape.num_elements()) for name in pruned}
        self._found["shares"] = {
            str(sparsity): sensitivity.shares(pruned, sizes, sparsity) for sparsity in self._search.space.prune
        }
        quantized = sensitivity.quantizing(model, context)
        self._found["sensitivity"] = {"prune": pruned, "quantize": quantized}
        order = sorted(self._search.space.export, key=lambda name: quantized.get(name, {"all": 0.0})["all"])
        for point in self._search.space.starts(list(order)):
            self._study.enqueue_trial(point, skip_if_exists=True)
        trial.write(self._folder / FOUND, self._found)

    def _watch(self, metrics: dict[str, float], label: str) -> None:
        """Ends a trial of which fine-tuning has left too little."""
        for name, value in metrics.items():
            drop = (self._float["metrics"][name] - value) * choice.sign(self._float)
            allowed = self._search.hopeless * max(self._config.max_drop, 0.01)
            if drop > allowed:
                raise HopelessError(f"ended early: after {label} {name} is {drop:.4f} worse than the float model's")


def open_study(path: Path, of: str, objectives: int) -> optuna.Study:
    """The study whose journal is `path`, made if there is none.

    Args: of: digest of what is searched; a journal of anything else is refused. objectives: how many.

    Raises:
      ForeignStorageError: it is.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    there = optuna.get_all_study_names(storage)
    if there and there != [of]:
        raise ForeignStorageError(
            f"{path} is the storage of another search ({', '.join(there)}; this one is {of}): "
            "move it away, or give this experiment another root"
        )
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=6)
    if there:
        return optuna.load_study(study_name=of, storage=storage, sampler=sampler)
    return optuna.create_study(study_name=of, storage=storage, sampler=sampler, directions=["minimize"] * objectives)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def run(job: dict[str, Any]) -> None:
    """Searches; see Hunt."""
    Hunt(job).run()


if __name__ == "__main__":
    run(child.job(sys.argv))
