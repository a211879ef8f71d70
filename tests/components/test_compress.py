"""The Compressor: what each method does to the flatbuffer, the choice within a budget, and trials that fail."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modelmill.components import artifacts
from modelmill.components.augment.component import Augmenter
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import executor, selection
from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.component import Compressor
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.search import search
from modelmill.components.compress.trials import store as trials_store
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import interpreter as flatbuffer_interpreter
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality
from modelmill.data.core import subprocess_job

image = modality.look_up("image")

PRUNE = {"prune": {"sparsity": 0.6, "epochs": 3, "learning_rate": 0.003}}


@pytest.fixture(scope="module")
def compressed(trained: Any, prepared: SimpleNamespace, node_runner: Any, tmp_path_factory: Any) -> dict[str, Any]:
    """The outputs of the Compressor, run on the small trained model."""
    cluster = {"cluster": {"clusters": 8, "epochs": 2}}
    chains = [["dynamic_range"], ["int8"], [PRUNE], [PRUNE, {"pqat": {"epochs": 2}}]]
    chains += [["float16"], [cluster, {"cqat": {"epochs": 2}}], [PRUNE, cluster, {"pcqat": {"epochs": 2}}]]
    chains += [[{"structured": {"amount": 0.5, "epochs": 3, "learning_rate": 0.003}}, "dynamic_range"]]
    chains += [[{"distill": {"epochs": 12, "learning_rate": 0.01}}]]
    component = Compressor(
        float_model=trained.outputs["model"],
        examples=prepared.transform.outputs["transformed_examples"],
        config=CompressConfig(chains=chains, max_drop=0.05).canonical(),
        augment=image.Policy().canonical(),
        metric="accuracy",
        seed=0,
        checkpoints=str(tmp_path_factory.mktemp("checkpoints")),
        code="code",
    )
    outputs = node_runner(component)
    report = json.loads(Path(outputs["report"][0].uri, artifacts.TRIALS_FILE).read_text())
    return {
        "report": report,
        "model": Path(outputs["model"][0].uri),
        "trials": Path(outputs["report"][0].uri, "trials"),
    }


def trial(compressed: dict[str, Any], label: str) -> dict[str, Any]:
    (found,) = [one for one in compressed["report"]["trials"] if one["label"] == label]
    return found


def test_every_chain_gives_a_flatbuffer_that_still_answers_right(compressed: dict[str, Any]) -> None:
    for found in (compressed["report"]["float"], *compressed["report"]["trials"]):
        assert found["status"] == "ok", found["reason"]
        assert found["metrics"]["accuracy"] >= 0.9
        assert found["latency_ms"] > 0


def test_quantized_flatbuffers_are_smaller_and_pruned_ones_sparse(compressed: dict[str, Any]) -> None:
    whole = compressed["report"]["float"]
    for label in ("dynamic_range", "int8", "prune + pqat"):
        assert trial(compressed, label)["bytes"] < 0.6 * whole["bytes"]
    assert trial(compressed, "prune")["sparsity"] == pytest.approx(0.6, abs=0.03)
    # The reason for PQAT: the zeros outlive quantization-aware training.
    assert trial(compressed, "prune + pqat")["sparsity"] >= 0.58
    assert trial(compressed, "prune")["gzip_bytes"] < 0.8 * whole["gzip_bytes"]


def test_float16_halves_and_clusters_outlive_quantization_aware_training(compressed: dict[str, Any]) -> None:
    whole = compressed["report"]["float"]
    assert trial(compressed, "float16")["bytes"] < 0.7 * whole["bytes"]
    assert trial(compressed, "cluster + cqat")["gzip_bytes"] < trial(compressed, "int8")["gzip_bytes"]
    both = trial(compressed, "prune + cluster + pcqat")
    assert both["sparsity"] >= 0.58
    assert both["gzip_bytes"] < trial(compressed, "prune + pqat")["gzip_bytes"]


def test_int8_is_calibrated_with_examples_that_are_not_augmented(
    compressed: dict[str, Any], trained: Any, prepared: SimpleNamespace, image_config: Any, node_runner: Any
) -> None:
    plain = prepared.transform.outputs["transformed_examples"]
    policy = image.Policy(brightness=1, contrast=0.9, mode="materialized", copies=1)
    graph = prepared.transform.outputs["transform_graph"]
    augmenter = Augmenter(plain, graph, data=image_config, policy=policy, seed=0, code="code")
    node_runner(augmenter)

    def int8(**examples: Any) -> bytes:
        bench = Compressor(
            float_model=trained.outputs["model"],
            config=CompressConfig(chains=[["int8"]], max_drop=1).canonical(),
            augment=policy.online().canonical(),
            metric="accuracy",
            seed=0,
            checkpoints=str(compressed["trials"] / "checkpoints"),
            code="code",
            **examples,
        )
        return Path(node_runner(bench)["model"][0].uri, artifacts.FLATBUFFER).read_bytes()

    wanted = (compressed["trials"] / "2" / artifacts.FLATBUFFER).read_bytes()
    augmented = augmenter.outputs["augmented_examples"]
    assert int8(examples=augmented, plain_examples=plain) == wanted
    assert int8(examples=augmented) != wanted


def test_a_model_of_fewer_channels_is_smaller_and_says_what_is_left(compressed: dict[str, Any]) -> None:
    found = trial(compressed, "structured + dynamic_range")
    assert found["bytes"] < 0.6 * trial(compressed, "dynamic_range")["bytes"]
    whole = compressed["report"]["float"]
    assert found["macs"] < 0.6 * whole["macs"] and found["parameters"] < 0.5 * whole["parameters"]
    assert {row["layer"]: row["changed"] for row in found["layers"]}["dense"] == ["structured: 8 of 16 channels left"]
    changed = {one["layer"]: one["what"] for one in found["changed"]}
    assert changed["dense"] == "8 of 16 channels left" and changed["conv2d"] == "4 of 8 channels left"
    (kept,) = [one for one in found["skipped"] if one["layer"] == "logits"]
    assert kept["reason"] == "keeps all 3 channels: it is the model's output"


def test_a_student_of_half_the_width_is_taught_and_smaller(compressed: dict[str, Any]) -> None:
    found = trial(compressed, "distill")
    assert found["parameters"] < 0.6 * compressed["report"]["float"]["parameters"]


def test_every_trial_tells_layer_by_layer_what_it_came_to(compressed: dict[str, Any]) -> None:
    assert {row["method"] for row in trial(compressed, "int8")["layers"]} == {"int8 throughout"}
    ladder = {"float16": "float", "prune": "float", "int8": "post-training", "prune + pqat": "quantization-aware"}
    for label, rung in ladder.items():
        assert {row["rung"] for row in trial(compressed, label)["layers"]} == {rung}
    rows = {row["layer"]: row for row in trial(compressed, "prune + cluster + pcqat")["layers"]}
    assert set(rows) == {"conv2d", "dense", "logits"}
    assert rows["dense"]["bits"] == 8 and rows["dense"]["sparsity"] >= 0.58 and rows["dense"]["distinct"] <= 8
    for found in (compressed["report"]["float"], *compressed["report"]["trials"]):
        assert found["arena_bytes"] > 0 and found["zstd_bytes"] <= found["bytes"]
        assert found["latency"]["one_thread"]["p99"] >= found["latency_ms"] > 0


def test_a_kernel_of_few_weights_gets_fewer_clusters() -> None:
    from modelmill.components.compress.methods import cluster

    dense = np.arange(24, dtype=np.float32).reshape(4, 6) + 1
    assert cluster.most_clusters(dense, 16, sparse=False) == 16
    assert cluster.most_clusters(dense[:1], 16, sparse=False) == 6
    pruned = np.array([[0, 0, 0, -1, 2, 3, 4, 4]], np.float32)
    # One for zero; the others go to the one negative and the three different positive weights.
    assert cluster.most_clusters(pruned, 16, sparse=True) == 5
    assert cluster.most_clusters(pruned * 0, 16, sparse=True) == 1


def test_layers_that_a_method_left_alone_are_named_with_the_reason(compressed: dict[str, Any]) -> None:
    skipped = trial(compressed, "prune + pqat")["skipped"]
    assert {"layer": "batch_normalization", "method": "prune", "reason": "BatchNormalization has no kernel"} in skipped
    assert not [one for one in skipped if one["method"] == "pqat"]


def test_the_smallest_within_the_budget_is_chosen_and_given(compressed: dict[str, Any]) -> None:
    report = compressed["report"]
    chosen = report["trials"][report["chosen"]]
    fits = [one for one in report["trials"] if one["within_budget"]]
    assert chosen["gzip_bytes"] == min(one["gzip_bytes"] for one in fits)
    given = compressed["model"] / artifacts.FLATBUFFER
    assert given.read_bytes() == (compressed["trials"] / str(report["chosen"] + 1) / artifacts.FLATBUFFER).read_bytes()
    assert json.loads((compressed["model"] / artifacts.TRIAL_FILE).read_text())["label"] == chosen["label"]


def test_the_float_flatbuffer_agrees_with_the_keras_model(
    compressed: dict[str, Any], trained: Any, prepared: SimpleNamespace
) -> None:
    (model,) = trained.outputs["model"].get()
    stored, keras = model_store.load(Path(artifacts.rebuild(model.uri)))
    (examples,) = prepared.transform.outputs["transformed_examples"].get()
    split = Examples([str(path) for path in Path(examples.uri, "Split-test").iterdir()], stored.spec, 64)
    answers = flatbuffer_interpreter.Flatbuffer(compressed["trials"] / "0" / artifacts.FLATBUFFER).predict_all(
        inputs for inputs, _ in split.raw().as_numpy_iterator()
    )
    logits = np.concatenate([keras(inputs) for inputs, _ in split.plain().as_numpy_iterator()])
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(answers, softmax / softmax.sum(axis=1, keepdims=True), atol=1e-4)


def test_input_and_output_are_what_a_device_has(compressed: dict[str, Any]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for number in range(10):
        interpreter = Interpreter(model_path=str(compressed["trials"] / str(number) / artifacts.FLATBUFFER))
        (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert given["dtype"] is np.uint8 and list(given["shape"]) == [1, 12, 12, 1]
        assert answer["dtype"] is np.float32 and list(answer["shape"]) == [1, 3]


OK = {"status": "ok", "metrics": {"accuracy": 0.9}, "gzip_bytes": 100, "latency_ms": 1.0}
FLOAT = {**OK, "metrics": {"accuracy": 0.95}, "gzip_bytes": 1000}


@pytest.mark.parametrize(
    ("budget", "word"),
    [
        ({"max_drop": 0.04}, "max_drop"),
        ({"max_drop": 0.1, "max_bytes": 99}, "max_bytes"),
        ({"max_drop": 0.1, "max_latency_ms": 0.9}, "max_latency_ms"),
    ],
)
def test_each_limit_of_the_budget_is_kept_and_named(budget: dict[str, float], word: str) -> None:
    (over,) = selection.over(OK, FLOAT, CompressConfig(**budget))
    assert word in over
    assert selection.over(OK, FLOAT, CompressConfig(max_drop=0.05, max_bytes=100, max_latency_ms=1)) == []


CHAINS: list[list[dict[str, Any]]] = [[], [{"method": "prune"}], [{"method": "int8"}], [{"method": "dynamic_range"}]]


def test_a_float_model_that_can_not_be_tried_ends_the_node_with_the_reason(tmp_path: Path) -> None:
    work = {"seed": 0, "rebuild": str(tmp_path / "none")}
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        executor._try(work, CHAINS, [tmp_path / str(number) for number in range(4)])


def test_a_trial_that_fails_or_kills_its_process_leaves_the_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(module: str, job: dict[str, Any]) -> None:
        """Stands for the child: pruning raises, int8 aborts the process."""
        calls.append([compress_chain.label(one["chain"]) for one in job["trials"]])
        for one in job["trials"]:
            label, folder = compress_chain.label(one["chain"]), Path(one["folder"])
            folder.mkdir(exist_ok=True)
            if label == "int8":
                raise subprocess_job.ChildError("the process was ended by SIGABRT")
            name = trials_store.FAILED_FILE if label == "prune" else artifacts.TRIAL_FILE
            (folder / name).write_text(json.dumps({"label": label, "status": "ok", "reason": "ValueError: no"}))

    monkeypatch.setattr(subprocess_job, "run", run)
    folders = [tmp_path / str(number) for number in range(4)]
    found = executor._try({}, CHAINS, folders)
    assert calls == [["float32", "prune", "int8", "dynamic_range"], ["dynamic_range"]]
    assert [one["status"] for one in found] == ["ok", "failed", "failed", "ok"]
    assert found[1]["reason"] == "ValueError: no" and "SIGABRT" in found[2]["reason"]
    # Once more, as after a kill: what has succeeded stays, what has failed is tried again.
    executor._try({}, CHAINS, folders)
    assert calls[2] == ["prune", "int8"]


@pytest.mark.parametrize(
    ("crashed", "times", "ends"),
    [((False,), 1, "ok"), ((False, False), 2, "raises"), ((True, False), 2, "raises"), ((True, True), 2, "failed")],
)
def test_a_trial_that_the_machine_ends_is_tried_once_more_first_of_all(
    crashed: tuple[bool, ...], times: int, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(module: str, job: dict[str, Any]) -> None:
        """Stands for the child, which int8 ends some times."""
        calls.append([compress_chain.label(one["chain"]) for one in job["trials"]])
        for one in job["trials"]:
            label, folder = compress_chain.label(one["chain"]), Path(one["folder"])
            folder.mkdir(exist_ok=True)
            if label == "int8" and len(calls) <= times:
                raise subprocess_job.MachineError(f"the process was ended, call {len(calls)}", crashed[len(calls) - 1])
            (folder / artifacts.TRIAL_FILE).write_text(json.dumps({"label": label, "status": "ok"}))

    monkeypatch.setattr(subprocess_job, "run", run)
    folders = [tmp_path / str(number) for number in range(4)]
    if ends == "raises":
        with pytest.raises(
            subprocess_job.MachineError, match=r"trial int8 was ended twice.*call 2\. This says nothing"
        ):
            executor._try({}, CHAINS, folders)
        assert not (folders[2] / trials_store.FAILED_FILE).exists()
        # The next run does it anew: twice, if need be.
        trials_store.forget(tmp_path)
        assert [one["status"] for one in executor._try({}, CHAINS, folders)] == ["ok"] * 4
        return
    found = executor._try({}, CHAINS, folders)
    assert [one["status"] for one in found] == ["ok", "ok", ends, "ok"]
    assert calls[:2] == [["float32", "prune", "int8", "dynamic_range"], ["int8", "dynamic_range"]]
    assert ends == "ok" or "call 2" in found[2]["reason"]


def test_a_search_tries_once_more_what_the_machine_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CompressConfig.model_validate({"search": {"max_trials": 1}})
    ended = tmp_path / "trial"
    calls = 0

    def run(module: str, job: dict[str, Any]) -> None:
        """Stands for the child, of which the second says that the trial has ended a worker again."""
        nonlocal calls
        calls += 1
        trials_store.write(Path(job["folder"], search.CURRENT), {"folder": str(ended), "label": "int8"})
        if calls == 2:
            with pytest.raises(subprocess_job.MachineError) as told:
                trials_store.end(ended, "int8", "SIGKILL", crashed=False)
            raise subprocess_job.MachineError(f"modelmill.data.core.subprocess_job.MachineError: {told.value}")
        if calls == 3:
            trials_store.write(Path(job["folder"], search.FOUND), {"ended": "after max_trials"})
            return
        raise subprocess_job.MachineError("SIGKILL")

    monkeypatch.setattr(subprocess_job, "run", run)
    with pytest.raises(subprocess_job.MachineError) as error:
        executor._search({}, config, tmp_path, [tmp_path / "float"])
    assert (
        str(error.value).startswith("trial int8 was ended twice")
        and str(error.value).count(subprocess_job.NOTHING) == 1
    )
    assert not (ended / trials_store.FAILED_FILE).exists()
    trials_store.forget(tmp_path)
    executor._search({}, config, tmp_path, [tmp_path / "float"])
    assert calls == 3 and not trials_store.is_ended(ended)


def test_steps_that_chains_share_are_made_once_and_change_no_result(work: dict[str, Any], tmp_path: Path) -> None:
    pruned = parse_chain([{"prune": {"epochs": 1}}])
    both = parse_chain([{"prune": {"epochs": 1}}, "dynamic_range"])
    made = {}
    for name, chains in (("shared", [pruned, both]), ("alone", [both])):
        bench = Bench(work, chains)
        for number, chain in enumerate(chains):
            folder = tmp_path / name / str(number)
            folder.mkdir(parents=True)
            bench.run(chain, folder)
            assert not (folder / artifacts.TRIAL_FILE).exists()  # its latency is measured when nothing else runs
            bench.finish(folder, folder)
        assert len(bench._tuned) == len(chains)
        inputs = [one for one, _ in Examples(work["files"]["eval"], bench._stored.spec, 16).raw().as_numpy_iterator()]
        made[name] = flatbuffer_interpreter.Flatbuffer(folder / artifacts.FLATBUFFER).predict_all(inputs)
        seconds = json.loads((folder / artifacts.TRIAL_FILE).read_text())["seconds"]
        assert seconds > 0.5
    np.testing.assert_allclose(made["shared"], made["alone"], atol=1e-6)


def test_a_child_that_is_killed_says_by_what(tmp_path: Path) -> None:
    (tmp_path / "doomed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGABRT)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(subprocess_job.ChildError, match="SIGABRT"):
            subprocess_job.run("doomed", {})


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (["int8", "prune"], "prune comes after int8, which gives the flatbuffer"),
        (["pqat"], "pqat must directly follow prune, found nothing before it"),
        (["prune", "prune"], "prune stands twice"),
        (["prun"], "did you mean 'prune'"),
        ([{"prune": {"sparsty": 0.5}}], "did you mean 'sparsity'"),
        ([{"prune": {"sparsity": 1.5}}], "prune.sparsity: found 1.5"),
        ([], "a chain is a list of methods"),
        ([3], "found 3"),
        (["prune", "qat"], "qat would undo prune; use pqat"),
        (["cluster", "qat"], "qat would undo cluster; use cqat"),
        (["prune", "cluster", "cqat"], "cqat would undo prune; use pcqat"),
        (["cluster", "pcqat"], "pcqat needs prune before it, found only cluster"),
        (["prune", "structured"], "structured would undo prune; use prune after structured"),
        (["cluster", "prune"], "prune would undo cluster; use cluster after prune"),
    ],
)
def test_senseless_chains_are_refused_with_the_reason(chain: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_chain(chain)
