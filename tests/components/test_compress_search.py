"""The search: what it may try, how it goes on after a kill, and which results are worth keeping in mind."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from modelmill.components import artifacts
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import executor, selection
from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.presets import PRESETS
from modelmill.components.compress.search import hill_climbing, search, sensitivity, study
from modelmill.components.compress.search_config import SpaceConfig
from modelmill.components.compress.trials import store
from modelmill.components.compress.trials.runner import Bench
from modelmill.data.core import subprocess_job

SEARCH = {
    "max_trials": 4,
    "space": {"structured": [0.5], "prune": [0.5], "cluster": [], "export": ["dynamic_range", "int8"], "epochs": 1},
}


def result(label: str, accuracy: float, size: int, latency: float = 1.0) -> dict[str, Any]:
    ok = {"status": "ok", "reason": "", "over": [], "within_budget": True, "metrics": {"accuracy": accuracy}}
    return {**ok, "label": label, "chain": [], "gzip_bytes": size, "latency_ms": latency}


TRIALS = [result("best", 0.99, 900), result("beaten", 0.95, 600), result("middle", 0.98, 300), result("tiny", 0.9, 100)]


def test_those_that_nothing_beats_are_kept_in_mind() -> None:
    assert selection.pareto(TRIALS, ("gzip_bytes", "metric")) == [0, 2, 3]
    assert selection.candidates(TRIALS) == {"quality": 0, "balanced": 2, "compact": 3}
    over = [{**one, "within_budget": one["label"] != "tiny"} for one in TRIALS]
    assert selection.candidates(over)["compact"] == 2


def test_the_preferred_one_is_chosen_or_the_candidate_that_is_named() -> None:
    trials = [*TRIALS[:3], result("fast", 0.98, 800, 0.1)]
    whole = result("float32", 0.99, 1000)
    for settings, label in (
        ({}, "middle"),
        ({"prefer": "latency_ms"}, "fast"),
        ({"prefer": "metric"}, "best"),
        ({"candidate": "quality"}, "best"),
    ):
        assert trials[selection.choose(trials, whole, CompressConfig(**settings))]["label"] == label


def test_with_an_impossible_budget_the_nearest_is_told_and_not_within_it() -> None:
    config = CompressConfig(max_drop=0.0, max_bytes=90)
    whole = result("float32", 0.99, 1000)
    trials = [dict(one) for one in TRIALS]
    assert trials[executor._judge(trials, whole, config)]["label"] == "middle"
    assert not any(one["within_budget"] for one in trials)
    assert selection.excess(trials[2], whole, config) == pytest.approx(1 + 300 / 90 - 1)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_recipe_that_makes_sense(name: str) -> None:
    config = CompressConfig(preset=name)
    chains, epochs = config.cost()
    assert chains == len(config.chains) >= 4 and epochs > 0
    assert config.prefer == PRESETS[name]["prefer"]
    assert CompressConfig.model_validate_json(config.canonical()) == config
    # What is given goes before.
    assert CompressConfig(preset=name, max_drop=0.3).max_drop == 0.3


def test_words_that_there_are_not_are_refused() -> None:
    for settings, message in (
        ({"preset": "smalest"}, "did you mean 'smallest'"),
        ({"chains": [["int8"], [{"int8": {}}]]}, "int8 with the same settings is there twice"),
        ({"search": {"space": {"prune": [1.5]}}}, "prune.sparsity: found 1.5"),
        ({"search": {"space": {"export": []}}}, "at least 1 item"),
    ):
        with pytest.raises(ValidationError, match=message):
            CompressConfig.model_validate(settings)


def test_a_bound_of_what_the_task_has_not_is_refused() -> None:
    CompressConfig(min_agreement=0.9, max_calibration_rise=0.1).check("classification", "cnn")
    CompressConfig().check("regression", "cnn")
    for asked, name in (("regression", "min_agreement"), ("multilabel", "max_calibration_rise")):
        with pytest.raises(ValueError, match=f"compress.{name}: data.task {asked} has no such figure"):
            CompressConfig.model_validate({name: 0.5}).check(asked, "cnn")


def test_points_of_the_space_are_chains_that_may_be() -> None:
    space = SpaceConfig(distill=(0.5,), low_rank=(0.9,))
    for point in space.starts(["int8", "dynamic_range"]):
        assert {key for key, value in point.items() if value not in (space.options()[key])} == set()
        assert parse_chain(space.chain(point, {}))
    chosen = {"prune": 0.7, "cluster": 16, "export": "aware", "shares": "by_sensitivity"}
    steps = space.chain(chosen, {0.7: {"dense": 0.9}})
    assert [step["method"] for step in steps] == ["prune", "cluster", "pcqat"]
    assert steps[0]["layers"] == {"dense": 0.9}
    assert [step["method"] for step in space.chain({"export": "aware"}, {})] == ["qat"]


def test_the_search_begins_with_the_chains_of_a_preset() -> None:
    space = SpaceConfig()
    starts = [space.chain(point, {}) for point in space.starts(["dynamic_range", "int4", "int8"])]
    for chain in PRESETS["smallest"]["chains"]:
        assert parse_chain(chain) in starts
    # Those that cost nothing come first; what the space has not is left out, or what is nearest taken.
    assert [len(chain) for chain in starts[:3]] == [1, 1, 1] and starts[0][0]["method"] == "dynamic_range"
    labels = [compress_chain.label(space.chain(point, {})) for point in space.starts(["int8"], "latency_ms")]
    assert "structured + dynamic_range" in labels
    small = SpaceConfig(distill=(), structured=(), prune=(0.6,), cluster=(), export=("int8",))
    points = list(small.starts(["int8"]))
    assert all(point.keys() == small.options().keys() for point in points)
    assert {"prune": 0.6, "shares": "equal", "export": "int8"} in points


def test_the_epochs_that_a_search_may_take_count_shared_steps_once() -> None:
    space = SpaceConfig(distill=(0.5,), structured=(), prune=(0.5, 0.7), cluster=(), epochs=1, by_sensitivity=False)
    # One student, two prunings of it and of the model itself, and of each trial one export that fine-tunes.
    assert space.epochs_at_most(30) == 8 + 4 * 2 + 30
    assert space.epochs_at_most(1) == 8 + 2 + 1


def test_from_the_best_point_it_goes_on_a_step_further() -> None:
    space, config = SpaceConfig(distill=(), structured=(0.25,)), CompressConfig(max_drop=0.02)
    whole = result("float32", 0.99, 1000)
    first = {"structured": 0, "prune": 0.8, "cluster": 16, "shares": "equal", "export": "int8"}

    def proposed(*tried: hill_climbing.Tried) -> tuple[str, dict[str, Any]] | None:
        points = [one.point for one in tried]
        return hill_climbing.propose(space, tried, whole, config, lambda point: point not in points)

    assert proposed() is None
    good, bad = (
        hill_climbing.Tried(first, result("good", 0.98, 300)),
        hill_climbing.Tried(first, result("bad", 0.9, 300)),
    )
    assert proposed(good) == ("export", {**first, "export": "dynamic_range"})
    # A step in a parameter that has led to something better is followed by another one.
    fewer = {**first, "cluster": 8}
    assert proposed(good, hill_climbing.Tried(fewer, result("better", 0.98, 200), "cluster")) == (
        "cluster",
        {**first, "cluster": 4},
    )
    # One that has led to nothing, or has failed, comes last; from the best point, be it not the latest.
    failed = hill_climbing.Tried({**first, "export": "int4"}, None, "export")
    assert proposed(good, failed) == ("cluster", fewer)
    # Beyond the budget it goes back.
    moved, point = proposed(bad, hill_climbing.Tried({**first, "export": "int4"}, None, "export")) or ("", {})
    assert (moved, point["cluster"]) == ("cluster", 32)
    every = [one for one in space.beside(first, True)]
    assert hill_climbing.propose(space, [good], whole, config, lambda point: False) is None and len(every) > 5


def test_zeros_are_shared_out_to_where_they_do_least() -> None:
    levels = sensitivity.LEVELS
    errors = {"hard": {one: one for one in levels}, "easy": {one: one / 100 for one in levels}}
    shared = sensitivity.shares(errors, {"hard": 100, "easy": 300}, 0.7)
    assert shared["easy"] > 0.9 and shared.get("hard", 0) < 0.5
    zeros = shared["easy"] * 300 + shared.get("hard", 0) * 100
    assert zeros >= 0.7 * 400


def test_the_storage_of_another_search_is_refused(tmp_path: Path) -> None:
    path = tmp_path / study.FILE
    assert len(study.open_study(path, "this", 2).directions) == 2
    study.open_study(path, "this", 2)
    with pytest.raises(study.ForeignStorageError, match="the storage of another search"):
        study.open_study(path, "that", 2)


def test_a_killed_search_goes_on_and_all_results_are_kept(
    work: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    attempt = Bench.attempt

    def watched(self: Bench, chain: list[dict[str, Any]], folder: Path) -> None:
        if len(tried) == 3:
            tried.append("killed")
            raise KeyboardInterrupt
        tried.append(compress_chain.label(chain))
        attempt(self, chain, folder)

    def in_process(module: str, job: dict[str, Any]) -> None:
        importlib.import_module(module).run(job)

    monkeypatch.setattr(subprocess_job, "run", in_process)
    monkeypatch.setattr(Bench, "attempt", watched)
    config = CompressConfig.model_validate({"chains": [["float16"]], "search": SEARCH, "max_drop": 0.2})
    places = tmp_path / "checkpoints", tmp_path / "model", tmp_path / "report"
    with pytest.raises(KeyboardInterrupt):
        executor.compress(work, config, *places)
    assert tried == ["float32", "float16", tried[2], "killed"]
    executor.compress(work, config, *places)
    report = json.loads((tmp_path / "report" / artifacts.TRIALS_FILE).read_text())
    labels = [one["label"] for one in report["trials"]]
    # The two fixed chains and the first of the search were not made again.
    assert tried.count("float32") == tried.count("float16") == 1 and len(labels) == 5
    assert report["search"]["ended"] == "after max_trials: 4"
    assert set(report["search"]["sensitivity"]["prune"]) == {"conv2d", "dense", "logits"}
    assert report["search"]["sensitivity"]["quantize"]["int8"]["all"] >= 0
    assert len({json.dumps(one["chain"]) for one in report["trials"]}) == 5
    assert {"quality", "balanced", "compact"} == set(report["candidates"]) and report["pareto"]
    for number in range(1, 6):
        assert (tmp_path / "report" / "trials" / str(number) / artifacts.FLATBUFFER).exists()
    smallest = min(one["gzip_bytes"] for one in report["trials"] if one["within_budget"])
    assert report["trials"][report["chosen"]]["gzip_bytes"] == smallest
    assert list((tmp_path / "checkpoints").iterdir()) == []

    # Another of the results, from what is on record, and nothing is tried again.
    count, places = len(tried), (tmp_path / "checkpoints", tmp_path / "other", tmp_path / "again")
    put_back(report, tmp_path / "report", places[0])
    executor.compress(work, config.model_copy(update={"candidate": "quality"}), *places)
    assert len(tried) == count
    given = json.loads((tmp_path / "other" / artifacts.TRIAL_FILE).read_text())
    assert given["label"] == labels[report["candidates"]["quality"]]
    put_back(report, tmp_path / "report", places[0])
    with pytest.raises(RuntimeError, match="not the trials of this model"):
        executor.compress({**work, "seed": 1}, config, *places)


def put_back(report: dict[str, Any], source: Path, checkpoints: Path) -> None:
    """As modelmill.pipeline.runners.local.push_candidate does."""
    import shutil

    for number, name in enumerate(report["folders"]):
        shutil.copytree(source / "trials" / str(number), checkpoints / name)
    store.write(checkpoints / report["search"]["folder"] / search.FOUND, report["search"])
    store.write(checkpoints / executor.RESTORED, report["folders"])


def test_a_trial_that_fine_tuning_has_ruined_ends_early(work: dict[str, Any], tmp_path: Path) -> None:
    looks: list[str] = []

    def watch(metrics: dict[str, float], label: str) -> None:
        looks.append(label)
        raise search.HopelessError(f"ended early: after {label} {metrics['accuracy']:.1f}")

    bench = Bench(work, [], keep=True, watch=watch)
    # The second goes on from what the first has made, and ends there as well.
    for name, export in (("one", "int8"), ("two", "dynamic_range")):
        chain = parse_chain([{"prune": {"epochs": 1}}, export])
        bench.attempt(chain, tmp_path / name)
        reason = json.loads((tmp_path / name / store.FAILED_FILE).read_text())["reason"]
        assert "ended early: after prune" in reason
    assert looks == ["prune", "prune"]
