"""Trials in several processes: the same results, a process that dies, and going on after a kill."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tf_keras
from tfx.types import standard_artifacts

from modelmill.components import artifacts
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import component, executor
from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.search import search as search_search
from modelmill.components.compress.trials import store, worker_count
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.compress.trials.worker_pool import Team
from modelmill.data.core import progress, subprocess_job

PRUNE = {"prune": {"sparsity": 0.6, "epochs": 1}}
CHAINS = [
    parse_chain(chain)
    for chain in (["float16"], [PRUNE], [PRUNE, "int8"], [{"structured": {"epochs": 1}}, "dynamic_range"], ["int8"])
]


@dataclass(frozen=True)
class Faults:
    """Told what is left after a step, it fails each of some steps once, as a machine does.

    Attributes:
      folder: tells which have failed.
      for_ever: they fail each time.
    """

    folder: Path
    for_ever: bool = False

    def __call__(self, metrics: dict[str, float], label: str) -> None:
        failed = self.folder / label
        if label not in ("prune", "structured") or (failed.exists() and not self.for_ever):
            return
        failed.touch()
        if label == "structured":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def begun(chain: list[dict[str, Any]], folder: Path) -> None:
    """Nobody asks."""


def bench(work: dict[str, Any]) -> Bench:
    """The names of layers begin anew, as in a process of its own."""
    tf_keras.backend.clear_session()
    return Bench(work, CHAINS)


def made(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / store.MADE_FILE).read_text())
    return {key: value for key, value in found.items() if key != "seconds"}


def test_two_workers_make_what_one_makes_and_a_trial_that_the_machine_ends_is_made_once_more(
    work: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.ENV, str(tmp_path / "told.jsonl"))
    local = bench(work)
    folders = {name: [tmp_path / name / str(place) for place in range(len(CHAINS))] for name in ("one", "two")}
    with Team(local, 1) as team:
        team.attempt(list(zip(CHAINS, folders["one"], strict=True)), begun)
    with Team(local, 2, work, CHAINS, False, Faults(tmp_path)) as team:
        team.attempt(list(zip(CHAINS, folders["two"], strict=True)), begun)
        # Those that begin alike were made where their first step was.
        assert len(team._owners) == 4 and {id(one) for one in team._owners.values()} <= {*map(id, team._members)}
    for place, (one, two) in enumerate(zip(folders["one"], folders["two"], strict=True)):
        same = [(folder / artifacts.FLATBUFFER).read_bytes() for folder in (one, two)]
        assert len(set(same)) == 1, CHAINS[place]
        assert made(one) == made(two) and "latency_ms" not in made(two)
    told = (tmp_path / "told.jsonl").read_text()
    assert "trial structured + dynamic_range was ended (the process was ended by SIGKILL)" in told
    assert "was ended (OSError: [Errno 28] No space left on device); it is tried once more, alone" in told
    assert told.count("is tried once more") == 2
    local.finish(folders["two"][3], folders["two"][0])
    assert store.read(folders["two"][3] / artifacts.TRIAL_FILE)["latency_ms"] > 0
    assert not (folders["two"][3] / store.ENDED_FILE).exists()


def test_a_trial_that_the_machine_ends_twice_is_no_failed_trial(work: dict[str, Any], tmp_path: Path) -> None:
    trials = [(CHAINS[2], tmp_path / "full"), (CHAINS[3], tmp_path / "killed")]
    with pytest.raises(OSError, match="No space left"):  # of a bench in this process, which is a child of the run's
        Team(Bench(work, CHAINS, watch=Faults(tmp_path, for_ever=True)), 1).attempt(trials[:1], begun)
    with (
        pytest.raises(
            subprocess_job.MachineError, match=r"trial structured.* was ended twice.*SIGKILL.* no memory left"
        ),
        Team(bench(work), 2, work, CHAINS, False, Faults(tmp_path, for_ever=True)) as team,
    ):
        team.attempt(trials[1:], begun)
    assert store.is_hopeless(trials[1][1])
    assert not [path for _, folder in trials for path in folder.glob(store.FAILED_FILE)]


def test_what_was_made_before_a_kill_is_only_measured(
    work: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    attempt, finish = Bench.attempt, Bench.finish

    def watched(self: Bench, chain: list[dict[str, Any]], folder: Path) -> None:
        tried.append(compress_chain.label(chain))
        attempt(self, chain, folder)

    def killed(self: Bench, folder: Path, whole: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess_job, "run", lambda module, job: importlib.import_module(module).run(job))
    monkeypatch.setattr(Bench, "attempt", watched)
    monkeypatch.setattr(Bench, "finish", killed)
    places = tmp_path / "checkpoints", tmp_path / "model", tmp_path / "report"
    with pytest.raises(KeyboardInterrupt):
        executor.compress(work, CompressConfig(chains=[["float16"]], max_drop=1), *places)
    monkeypatch.setattr(Bench, "finish", finish)
    # Of two workers now: neither their number nor the budget is part of what a trial is.
    executor.compress(work, CompressConfig(chains=[["float16"]], max_drop=1, workers=2), *places)
    assert tried == ["float32", "float16"]
    report = json.loads((places[2] / artifacts.TRIALS_FILE).read_text())
    assert report["trials"][0]["latency_ms"] > 0


def test_the_compressor_has_as_many_as_its_surroundings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[CompressConfig] = []
    monkeypatch.setattr(executor, "compress", lambda work, config, *places: given.append(config))
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(tmp_path), json.dumps(["train", "eval"])
    config, folder = CompressConfig(workers=3), SimpleNamespace(uri=str(tmp_path))
    for _ in range(2):
        component.Compressor.EXECUTOR_SPEC.executor_class._FUNCTION(
            folder, examples, folder, folder, config.canonical(), "{}", "accuracy", 0, str(tmp_path), ""
        )
        monkeypatch.setenv(worker_count.ENV, "3")
    assert given == [CompressConfig(), config]


@pytest.mark.slow
def test_a_search_of_two_workers_finds_what_one_finds(work: dict[str, Any], tmp_path: Path) -> None:
    space = {"structured": [0.5], "prune": [0.5], "cluster": [], "export": ["dynamic_range", "int8"], "epochs": 1}
    found = []
    for count in (1, 2):
        root = tmp_path / str(count)
        whole = store.folder(root, work, [])
        first = bench(work)
        first.attempt([], whole)
        first.finish(whole, whole)
        tf_keras.backend.clear_session()
        search = {"max_trials": 8, "at_once": 2, "space": space}
        config = CompressConfig.model_validate({"max_drop": 0.5, "workers": count, "search": search})
        job = {"work": work, "config": config.model_dump(mode="json"), "folder": str(root / "search")}
        search_search.run({**job, "trials": str(root), "float": str(whole), "done": 1, "total": 9})
        chains = store.read(root / "search" / search_search.FOUND)["chains"]
        assert len(chains) >= 7
        trials = [store.read(root / one["folder"] / artifacts.TRIAL_FILE) for one in chains]
        found.append([(one["label"], one["metrics"], one["gzip_bytes"]) for one in trials])
    assert found[0] == found[1]
