"""The search, a program like trials/main.py: `python -P -m modelmill.components.compress.search.search FILE`.

Chains are proposed by Optuna and by hill_climbing.py in turn, the team tries them. Optuna's journal and the finished
trials lie in the checkpoints, so that a killed search goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.components.artifacts import TRIAL_FILE
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import conversion, selection
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.search import hill_climbing, sensitivity, study
from modelmill.components.compress.search_config import Point, SearchConfig
from modelmill.components.compress.trials import store
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.compress.trials.worker_pool import Team
from modelmill.data.core import gc_tuning, progress, subprocess_job

if TYPE_CHECKING:
    import optuna

FOUND, CURRENT = "found.json", "current.json"
# Proposals in a row that were all tried before: the space is exhausted, or as good as.
REPEATS = 40
# Of a proposal: the parameter in which it differs from the best one before it.
MOVED = "moved"


class HopelessError(RuntimeError):
    """A trial that is not worth finishing."""


@dataclass(frozen=True)
class Watch:
    """Ends a trial of which fine-tuning has left too little.

    Attributes:
      float32: the trial of the float model.
      allowed: by how much a metric may be worse than there.
    """

    float32: dict[str, Any]
    allowed: float

    def __call__(self, metrics: dict[str, float], label: str) -> None:
        for name, value in metrics.items():
            drop = (self.float32["metrics"][name] - value) * selection.sign(self.float32)
            if drop > self.allowed:
                raise HopelessError(f"ended early: after {label} {name} is {drop:.4f} worse than the float model's")


def digest(content: Any) -> str:
    """Names what belongs together."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class Hunt:
    """One search.

    Args:
      job: work, see Bench; config: the `compress` section; folder: of this search; trials: of all trials'
        folders; float: of the float32 flatbuffer; done, total: of the progress.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._config = CompressConfig.model_validate(job["config"])
        assert self._config.search is not None
        self._search: SearchConfig = self._config.search
        self._job, self._folder = job, Path(job["folder"])
        self._folder.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Any] = store.read(self._folder / FOUND) or {
            **{"chains": [], "seconds": 0.0, "ended": "", "sensitivity": {}, "shares": {}},
        }
        self._float = json.loads(Path(job["float"], TRIAL_FILE).read_text())
        of = digest([job["work"], self._search.model_dump(mode="json")])
        self._study = study.open_study(
            self._folder / study.FILE, of, len(self._search.objectives), together=self._search.at_once > 1
        )

    def run(self) -> None:
        """Until the number of trials, the time or the space comes to its end."""
        import optuna

        for one in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)  # of a killed process
            self._study.enqueue_trial(one.params, user_attrs=one.user_attrs)
        # What a kill has left unfinished is begun anew; what has killed its process has failed.
        self._found["chains"] = [one for one in self._found["chains"] if self._result(one["folder"]) is not None]
        allowed = self._search.hopeless * max(self._config.max_drop, 0.01)
        arguments: tuple[Any, ...] = self._job["work"], [], True, Watch(self._float, allowed)
        self._bench = Bench(*arguments)
        if not self._found["sensitivity"]:
            self._look()
        begun, before, repeats = time.monotonic(), self._found["seconds"], 0
        with Team(self._bench, self._config.workers, *arguments) as team:
            while not self._found["ended"]:
                self._found["seconds"] = before + time.monotonic() - begun
                if len(self._found["chains"]) >= self._search.max_trials:
                    self._found["ended"] = f"after max_trials: {self._search.max_trials}"
                elif self._found["seconds"] > 60 * self._search.max_minutes:
                    self._found["ended"] = f"after max_minutes: {self._search.max_minutes:g}"
                elif repeats >= REPEATS:
                    self._found["ended"] = f"the last {REPEATS} proposals had all been tried"
                else:
                    asked = self._ask()
                    new = self._try(team, asked)
                    repeats = 0 if new else repeats + len(asked)
                store.write(self._folder / FOUND, self._found)

    def _ask(self) -> list[tuple[optuna.Trial, list[dict[str, Any]]]]:
        """Points and their chains, as many as are tried at once.

        Those to begin with do not depend on what others come to, so of them it is one for each worker.
        """
        import optuna

        options = self._search.space.options()
        waiting = len(self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)))
        count = min(waiting, self._config.workers) if waiting else self._search.at_once
        found = []
        for number in range(min(count, self._search.max_trials - len(self._found["chains"]))):
            if not (waiting or number):
                self._climb()
            asked = self._study.ask()
            chosen = {name: asked.suggest_categorical(name, values) for name, values in options.items()}
            found.append((asked, self._chain(chosen)))
        return found

    def _climb(self) -> None:
        """Has a point proposed beside the best one, every other time: Optuna's sampler has the others."""
        import optuna

        done = self._study.get_trials(deepcopy=False)
        if len(done) % 2 and self._search.at_once == 1:
            return
        tried = [
            hill_climbing.Tried(one.params, self._trial(self._chain(one.params)), one.user_attrs.get(MOVED, ""))
            for one in done
            if one.state == optuna.trial.TrialState.COMPLETE
        ]
        known = {one["folder"] for one in self._found["chains"]}
        step = hill_climbing.propose(
            self._search.space,
            tried,
            self._float,
            self._config,
            lambda point: self._place(self._chain(point)).name not in known,
        )
        if step:
            moved, point = step
            self._study.enqueue_trial(point, user_attrs={MOVED: moved})

    def _chain(self, point: Point) -> list[dict[str, Any]]:
        """Of a point, by the sensitivity that was measured."""
        return self._search.space.chain(point, {float(key): value for key, value in self._found["shares"].items()})

    def _place(self, chain: list[dict[str, Any]]) -> Path:
        """The folder of a trial."""
        return store.folder(Path(self._job["trials"]), self._job["work"], chain)

    def _trial(self, chain: list[dict[str, Any]]) -> Any:
        """What a chain came to; None if it has failed."""
        return store.read(self._place(chain) / TRIAL_FILE)

    def _try(self, team: Team, asked: list[tuple[optuna.Trial, list[dict[str, Any]]]]) -> bool:
        """Tries chains and tells Optuna; whether one of them had not been tried before."""
        trials = {self._place(chain).name: (chain, self._place(chain)) for _, chain in asked}
        known = [one["folder"] for one in self._found["chains"]]
        new = [{"chain": chain, "folder": name} for name, (chain, _) in trials.items() if name not in known]
        self._found["chains"] += new
        store.write(self._folder / FOUND, self._found)
        todo = [one for one in trials.values() if not store.is_done(one[1])]
        if todo:
            self._make(team, todo)
        for one, chain in asked:
            self._tell(one, self._trial(chain))
        return bool(new)

    def _make(self, team: Team, todo: list[tuple[list[dict[str, Any]], Path]]) -> None:
        """Has trials made, then measures how fast they are."""

        def tell(chain: list[dict[str, Any]], folder: Path) -> None:
            done = sum(self._result(one["folder"]) is not None for one in self._found["chains"])
            progress.bar(store.TRIALS, self._job["done"] + done, self._job["total"], compress_chain.label(chain))
            store.write(current, {"folder": str(folder), "label": compress_chain.label(chain)})

        current = self._folder / CURRENT
        team.attempt([one for one in todo if not store.is_made(one[1])], tell)
        for chain, folder in todo:
            store.write(current, {"folder": str(folder), "label": compress_chain.label(chain)})
            self._bench.finish(folder, Path(self._job["float"]))
        current.unlink()

    def _tell(self, asked: optuna.Trial, told: Any) -> None:
        """What a trial came to; None if it has failed, which is told as far beyond the budget, to be kept away from."""
        excess = self._search.hopeless if told is None else selection.excess(told, self._float, self._config)
        asked.set_constraint("budget", excess)
        self._study.tell(asked, [selection.cost(told or self._float, name) for name in self._search.objectives])

    def _result(self, name: str) -> Any:
        """Of a trial: trial.json, or failed.json; None if it has not come to its end."""
        folder = Path(self._job["trials"]) / name
        return store.read(folder / TRIAL_FILE) or store.read(folder / store.FAILED_FILE)

    def _look(self) -> None:
        """Sensitivity of the layers: shares out sparsities, and says in which order exports are tried."""
        context, model = self._bench.context("sensitivity"), self._bench.model
        pruned = sensitivity.pruning(model, context) if self._search.space.prune else {}
        sizes = {name: int(model.get_layer(name).kernel.shape.num_elements()) for name in pruned}
        self._found["shares"] = {
            str(sparsity): sensitivity.shares(pruned, sizes, sparsity) for sparsity in self._search.space.prune
        }
        with conversion.explained(context.stored.family.family, context.name):
            quantized = sensitivity.quantizing(model, context)
        self._found["sensitivity"] = {"prune": pruned, "quantize": quantized}
        order = sorted(self._search.space.export, key=lambda name: quantized.get(name, {"all": 0.0})["all"])
        for point in self._search.space.starts(order, self._search.objectives[0]):
            self._study.enqueue_trial(point, skip_if_exists=True)
        store.write(self._folder / FOUND, self._found)


def run(job: dict[str, Any]) -> None:
    """Searches; see Hunt."""
    Hunt(job).run()


if __name__ == "__main__":
    with gc_tuning.settled():  # the work needs it anyway: what it leaves is not collected again and again
        import tf_keras  # noqa: F401
    subprocess_job.main(run)
