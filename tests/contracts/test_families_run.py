"""Every family in a dataset, on two devices, after a kill, and behind raw files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.models import family
from modelmill.components.models.export import saved_model
from modelmill.components.models.training import driver
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality, specs
from tests.contracts.rows import Rows
from tests.contracts.test_families import FAMILIES, PROBLEMS, SMALL, Problem

# In CI a few; all of them with ALL_PAIRS=1 (make test-all).
ALL = bool(os.environ.get("ALL_PAIRS"))


def config_of(name: str) -> family.FamilyConfig:
    return family.look_up(name).Config.model_validate({"family": name, **SMALL.get(name, {})})


def problem_of(name: str) -> Problem:
    return PROBLEMS[family.look_up(name).MODALITIES[0]]()


def examples_of(problem: Problem) -> dict[str, Examples]:
    return {"train": Rows(problem, 16, 8), "eval": Rows(problem, 8, 8)}


STRATEGY = """
import json, sys, tempfile
from pathlib import Path
from modelmill.components.models.training import driver, strategy
made = strategy.make(strategy.parse({"name": "mirrored", "devices": 2}))
from modelmill.components.models import family
from modelmill.components.models.training.config import LearningConfig
from modelmill.data import modality
from tests.contracts.test_families_run import config_of, examples_of, problem_of
name, precision = sys.argv[1:]
problem, folder = problem_of(name), Path(tempfile.mkdtemp())
_, rows = driver.train(
    build=lambda: family.build(config_of(name), problem.spec),
    examples=examples_of(problem),
    learning=LearningConfig(epochs=2, batch=8, precision=precision),
    policy=modality.look_up(problem.spec.modality).Policy(),
    seed=0,
    strategy=made,
    checkpoints=folder / "checkpoints",
)
print(json.dumps([made.num_replicas_in_sync, *(row["loss"] for row in rows)]))
"""
# One strategy a process: a second one in it fails.
STRATEGIES = [
    (name, precision)
    for number, name in enumerate(FAMILIES)
    for precision in ("float32", "mixed_bfloat16")
    if ALL or (number, precision) == (len(FAMILIES) - 1, "mixed_bfloat16")
]


@pytest.mark.parametrize(("name", "precision"), STRATEGIES)
def test_it_trains_on_two_devices_in_a_process_of_its_own(name: str, precision: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRATEGY, name, precision], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    replicas, *losses = json.loads(done.stdout.splitlines()[-1])
    assert replicas == 2 and len(losses) == 2 and np.isfinite(losses).all()


class Killed(Exception):
    """Stands for a kill after the first epoch."""


@pytest.mark.parametrize("name", FAMILIES if ALL else FAMILIES[1::4])
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CHECKPOINT_SECONDS", 0)
    config, problem = config_of(name), problem_of(name)
    # What is dropped is drawn anew after a kill.
    drops = [field for field in type(config).model_fields if "dropout" in field or field == "stochastic_depth"]
    config = config.model_copy(update=dict.fromkeys(drops, 0.0))
    examples = examples_of(problem)

    def learn(folder: str, watch: Any) -> tf_keras.Model:
        tf_keras.utils.set_random_seed(3)
        return driver.train(
            build=lambda: family.build(config, problem.spec),
            examples=examples,
            learning=LearningConfig(epochs=2, batch=8),
            policy=modality.look_up(problem.spec.modality).Policy(),
            seed=0,
            strategy=tf.distribute.get_strategy(),
            checkpoints=tmp_path / folder,
            watch=watch,
            factors=family.factors(config),
        )[0]["main"]

    def kill(epoch: int, row: dict[str, float]) -> None:
        raise Killed

    whole = learn("whole", lambda epoch, row: None)
    with pytest.raises(Killed):
        learn("killed", kill)
    again = learn("killed", lambda epoch, row: None)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_runs_in_a_dataset_as_it_does_eagerly(name: str) -> None:
    problem = problem_of(name)
    model = family.build(config_of(name), problem.spec)
    batches = tf.data.Dataset.from_tensor_slices(problem.inputs[:12]).batch(5)
    mapped = np.concatenate(list(batches.map(lambda batch: model(batch, training=False)).as_numpy_iterator()))
    np.testing.assert_allclose(mapped, model(problem.inputs[:12], training=False), atol=1e-4)


@pytest.mark.parametrize("name", [name for name in FAMILIES if family.look_up(name).MODALITIES[0] == "image"])
def test_what_is_served_takes_files_of_any_size(
    name: str, prepared: SimpleNamespace, image_folder: Path, image_config: Any, tmp_path: Path
) -> None:
    (graph,) = prepared.transform.outputs["transform_graph"].get()
    (examples,) = prepared.transform.outputs["transformed_examples"].get()
    files = [str(path) for path in Path(examples.uri, "Split-train").iterdir()]
    spec = specs.describe(graph.uri, files, image_config)
    model = family.build(config_of(name), spec)
    with pytest.raises(ValueError, match="signatures evaluate have names of modelmill's own"):
        saved_model.export(model, spec, graph.uri, tmp_path / "served", {"evaluate": None})
    assert not (tmp_path / "served").exists()
    saved_model.export(model, spec, graph.uri, tmp_path / "served")
    content = (image_folder / "rows" / "0.png").read_bytes()
    larger = tf.io.encode_png(tf.image.resize(tf.io.decode_png(content), (24, 30), "nearest")).numpy()
    signature = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    answers = signature(image=tf.constant([content, larger]))["probabilities"].numpy()
    inputs = tf.io.decode_png(content)[tf.newaxis]
    np.testing.assert_allclose(answers[:1], saved_model.served(model, spec)(inputs), atol=1e-5)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
