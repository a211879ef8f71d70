"""What compression ruins is refused: a model that eight bits have no room for, through all nodes to the push."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tf_keras
from tfx.types import standard_artifacts

from modelmill.components import artifacts, gates
from modelmill.components.compress import selection
from modelmill.components.compress.component import Compressor
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.evaluate import gates as evaluate_gates
from modelmill.components.evaluate.component import CompressedEvaluator
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.models.export import model_store, saved_model
from modelmill.components.push.component import Pusher
from modelmill.data import modality, task

image = modality.look_up("image")


def badly(model: tf_keras.Model) -> tf_keras.Model:
    """The same answers in float, but one neuron's values are so large that eight bits have no room for the others."""
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    dense, logits = copied.get_layer("dense"), copied.get_layer("logits")
    (kernel, bias), (after, shift) = dense.get_weights(), logits.get_weights()
    # The neuron that answers most, so that it is never zero throughout.
    number = int(np.argmax(np.abs(after).sum(axis=1)))
    kernel[:, number] *= 1e3
    bias[number] = bias[number] * 1e3 + 1e4
    after[number] /= 1e3
    shift -= after[number] * 1e4
    dense.set_weights([kernel, bias])
    logits.set_weights([after, shift])
    return copied


def test_what_eight_bits_ruin_is_refused_or_rescued_by_sparing_layers(
    learned: Any, files: dict[str, list[str]], tmp_path: Path
) -> None:
    model_store.save(tmp_path / "rebuild", learned[0], badly(learned[1]))
    config = CompressConfig(chains=[["int8"], [{"int8": {"fallback": {"tolerance": 0.1}}}]], max_drop=0.02)
    chains = [[], *map(list, config.chains)]
    bench = Bench(
        {"rebuild": str(tmp_path / "rebuild"), "files": files, "augment": {}, "metric": "accuracy", "seed": 0}, chains
    )
    found = []
    for number, chain in enumerate(chains):
        folder = tmp_path / str(number)
        folder.mkdir()
        bench.run(chain, folder)
        bench.finish(folder, tmp_path / "0")
        found.append(json.loads((folder / artifacts.TRIAL_FILE).read_text()))
    whole, ruined, rescued = found
    assert whole["metrics"]["accuracy"] >= 0.9 > 0.8 > ruined["metrics"]["accuracy"]
    for one in (ruined, rescued):
        one["over"] = selection.over(one, whole, config)
        one["within_budget"] = not one["over"]
    assert not ruined["within_budget"] and rescued["within_budget"], (ruined["over"], rescued["over"])
    # Alone it is still given, for the gate to refuse, and nothing that the gate refused is pushed.
    chosen = selection.choose([ruined], whole, config)
    report = {"trials": [ruined], "chosen": chosen, "within_budget": False}
    metric = task.metric("classification", "accuracy")
    (budget,) = evaluate_gates.compressed_gates({}, EvaluateConfig(), 0.02, 0.02, report, metric)
    assert not budget.passed and "accuracy falls by" in budget.reason
    assert selection.choose([ruined, rescued], whole, config) == 1
    spared = {row["layer"] for row in rescued["layers"] if row["bits"] == 32}
    assert spared and {one["layer"] for one in rescued["skipped"]} == spared
    assert "int8 alone makes an error of" in rescued["skipped"][0]["reason"]
    assert any(row["bits"] == 8 for row in rescued["layers"])


@pytest.fixture(scope="module")
def exploding(learned: Any, trained: Any, prepared: SimpleNamespace, node_runner: Any) -> Any:
    """A Model like the trained one, served and stored, but with those weights."""
    (model,) = trained.outputs["model"].get()
    made = node_runner.artifact(standard_artifacts.Model)
    shutil.copytree(model.uri, made.uri, dirs_exist_ok=True)
    shutil.rmtree(artifacts.serving(made.uri))
    ruined = badly(learned[1])
    model_store.save(Path(artifacts.rebuild(made.uri)), learned[0], ruined)
    (graph,) = prepared.transform.outputs["transform_graph"].get()
    saved_model.export(ruined, learned[0].spec, graph.uri, Path(artifacts.serving(made.uri)))
    return made


def test_a_fall_like_retinanets_can_not_be_pushed_even_if_no_budget_forbids_it(
    exploding: Any, prepared: SimpleNamespace, image_config: Any, node_runner: Any, tmp_path: Path
) -> None:
    """On record is a detector that fell from 23.3 to 0.04 mAP by post-training quantization, and was published."""
    compressor = Compressor(
        float_model=node_runner.channel(exploding),
        examples=prepared.transform.outputs["transformed_examples"],
        config=CompressConfig(chains=[["int8"]], max_drop=1).canonical(),
        augment=image.Policy().canonical(),
        metric="accuracy",
        seed=0,
        checkpoints=str(tmp_path / "checkpoints"),
        code="code",
    )
    report = json.loads(Path(node_runner(compressor)["report"][0].uri, artifacts.TRIALS_FILE).read_text())
    assert report["within_budget"]
    evaluator = CompressedEvaluator(
        examples=prepared.ingest.outputs["examples"],
        model=node_runner.channel(exploding),
        compressed=compressor.outputs["model"],
        report=compressor.outputs["report"],
        config=EvaluateConfig(),
        data=image_config,
        max_drop=0.02,
        margin=0.02,
        code="code",
    )
    outputs = node_runner(evaluator)
    told = {row.gate: row for row in gates.read(Path(outputs["evaluation"][0].uri) / artifacts.GATES_FILE)[::-1]}
    # By what the very flatbuffer has answered to the test split.
    assert not told["non_inferiority"].passed and told["non_inferiority"].value < -0.2
    assert told["budget"].passed and told["agreement"].value < 0.8
    blessed = {
        key: node_runner.channel(node_runner.artifact(kind, blessed=1))
        for key, kind in (
            ("model_blessing", standard_artifacts.ModelBlessing),
            ("infra_blessing", standard_artifacts.InfraBlessing),
        )
    }
    bundle = node_runner.artifact(artifacts.ServingBundle, {"manifest.json": "{}"})
    pushed = Pusher(
        bundle=node_runner.channel(bundle),
        compressed_blessing=evaluator.outputs["blessing"],
        destination=str(tmp_path / "pushed"),
        code="code",
        **blessed,
    )
    (result,) = node_runner(pushed)["pushed_model"]
    assert result.get_int_custom_property("pushed") == 0 and not (tmp_path / "pushed").exists()
