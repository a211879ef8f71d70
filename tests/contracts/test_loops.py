"""Loops and strategies: read without TensorFlow, held to their base class; a user's own get their settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tf_keras
from pydantic import ValidationError

from modelmill.components.compress.context import Context
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.training import driver, loop, strategy
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.testing.updates import check_updates
from modelmill.components.train import executor
from modelmill.components.train.config import TrainConfig
from modelmill.data import modality
from modelmill.data.core import plugins
from tests.contracts.problems import SMALL, image
from tests.contracts.rows import Rows

LOOP = '''
"""A loss that counts more, or less."""
from modelmill.components.models.training.loop import Loop, LoopConfig, LossTerms


class ScaledConfig(LoopConfig):
    """By how much."""
    factor: float = 2.0


class Scaled(Loop[ScaledConfig]):
    """The task's loss, scaled."""
    Config = ScaledConfig

    def loss(self, config, update, step):
        outputs = step.outputs()
        loss = config.factor * step.task.loss(step.target, outputs)
        return LossTerms(loss, loss * 0 + 1, outputs)
'''
STRATEGY = '''
"""A device by its name."""
from modelmill.components.models.training.strategy import Offer, Strategy, StrategyConfig

SET_UP = []


class NamedConfig(StrategyConfig):
    """Which."""
    device: str = "/cpu:0"


class Named(Strategy[NamedConfig]):
    """OneDeviceStrategy."""
    Config = NamedConfig
    OWN_PROCESS = False

    def set_up(self, config):
        SET_UP.append(config.device)

    def make(self, config):
        import tensorflow as tf

        assert SET_UP == [config.device]
        return tf.distribute.OneDeviceStrategy(config.device)

    def offer(self, machine):
        return None if machine.gpus else Offer(3, {"device": "/cpu:0"}, "it is the user's own")
'''


@pytest.fixture
def own(tmp_path: Path, plug_ins: Callable[[Path], None]) -> None:
    """A loop and a strategy of the user's."""
    for name, text in (("loops/scaled.py", LOOP), ("strategies/named.py", STRATEGY)):
        (tmp_path / "own" / name).parent.mkdir(parents=True)
        (tmp_path / "own" / name).write_text(text)
    plug_ins(tmp_path / "own")


@pytest.mark.parametrize(("kind", "package"), [("loop", loop.PACKAGE), ("strategy", strategy.PACKAGE)])
def test_each_is_read_without_tensorflow(kind: str, package: str) -> None:
    assert plugins.names(package)
    code = (
        "import sys\nfrom modelmill.data.core import plugins\n"
        f"from modelmill.components.models.training import {kind}\n"
        f"for name in plugins.names({kind}.PACKAGE): assert {kind}.parse(name).name == name\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def first_loss(folder: Path, train: dict[str, Any]) -> float:
    """Of the first step: before anything was learned."""
    problem, config = image(), TrainConfig.model_validate(train)
    tf_keras.utils.set_random_seed(0)
    _, history = driver.train(
        build=lambda: family.build(family.look_up("cnn").Config.model_validate(SMALL["cnn"]), problem.spec),
        examples={"train": Rows(problem, 8, 8), "eval": Rows(problem, 8, 8)},
        learning=LearningConfig(epochs=1, batch=8),
        policy=modality.look_up("image").Policy(),
        seed=0,
        strategy=strategy.make(config.strategy),
        checkpoints=folder,
        loop=config.loop,
    )
    return history[0]["loss"]


@pytest.mark.usefixtures("own")
def test_settings_of_ones_own_reach_its_loss_and_its_devices(tmp_path: Path) -> None:
    plain = first_loss(tmp_path / "plain", {"strategy": "one_device"})
    scaled = {"loop": {"scaled": {"factor": 3}}, "strategy": {"name": "named", "device": "/cpu:0"}}
    assert first_loss(tmp_path / "scaled", scaled) == pytest.approx(3 * plain, rel=1e-5)


@pytest.mark.parametrize("name", plugins.names(loop.PACKAGE))
def test_its_updates_move_the_networks_that_they_name(name: str) -> None:
    problem, config = image(), family.look_up("cnn").Config.model_validate(SMALL["cnn"])
    targets = problem.labels[:8].astype("int64")
    found = loop.look_up(name)
    built = family.build_networks(config, problem.spec)
    check_updates(found, found.Config(), built, problem.spec, problem.inputs[:8], targets)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("given", "factor"), [("supervised", 1.0), ("scaled", 2.0), ({"scaled": {"factor": 5}}, 5.0)])
def test_fine_tuning_goes_by_the_loop_that_trained(tmp_path: Path, given: Any, factor: float) -> None:
    problem = image()
    config = family.look_up("cnn").Config.model_validate(SMALL["cnn"])
    trained = TrainConfig.model_validate({"loop": given}).loop
    stored = model_store.Stored(config, problem.spec, {"modality": "image"}, loop.written(trained), 8)
    model_store.save(tmp_path, stored, family.build(config, problem.spec))
    stored, model = model_store.load(tmp_path)
    assert loop.parse(stored.loop) == trained
    labels, images = tf.constant([0, 1], tf.int64), tf.convert_to_tensor(problem.inputs[:2])
    plain = tf_keras.losses.sparse_categorical_crossentropy(labels, model(images), from_logits=True)
    context = Context(stored, model, {}, modality.look_up("image").Policy(), 0, "loops")
    assert context.loss(model, images, labels).numpy() == pytest.approx(factor * plain.numpy(), rel=1e-5)


@pytest.mark.usefixtures("own")
def test_auto_takes_ones_own_if_that_offers_more() -> None:
    assert strategy.choose(strategy.DEFAULT, 0) == (strategy.parse({"name": "named"}), "it is the user's own")
    assert strategy.choose(strategy.DEFAULT, 2)[0].name == "mirrored"
    work = {"strategy": {"name": "named", "device": "/cpu:1"}, "xla": False}
    assert executor._choose_devices(work) == "named" and work["strategy"] == {"name": "named", "device": "/cpu:1"}
    assert f"{strategy.PACKAGE}.named" in TrainConfig().modules(), "an edit of what auto may take trains anew"
    with pytest.raises(ValidationError, match="xla works on one device only"):
        TrainConfig.model_validate({"xla": True, "strategy": "named"})


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("train", "says"),
    [
        ({"loop": {"scaled": {"facter": 1}}}, "unknown setting of scaled 'facter'; allowed: factor; did you mean"),
        ({"loop": {"scaled": {"factor": "much"}}}, "loop.factor\n.*valid number"),
        ({"loop": {"scaled": 3}}, "unknown setting of supervised 'scaled'"),
        ({"loop": ["scaled"]}, "a training loop is a name or {name: settings}"),
        ({"loop": {"scald": {}}}, "unknown training loop 'scald'; .* did you mean 'scaled'"),
        ({"strategy": {"name": "mirrored", "device": "/cpu:0"}}, "of mirrored 'device'; .*; use name: named"),
        ({"strategy": {"name": "mirrored", "devices": 0}}, "strategy.devices\n.*greater than or equal to 1"),
        ({"strategy": "mirored"}, "unknown strategy 'mirored'; allowed: .* did you mean 'mirrored'"),
    ],
)
def test_what_they_do_not_take_is_named(train: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainConfig.model_validate(train)


def test_a_config_reads_what_it_wrote_and_what_runs_before_wrote() -> None:
    given = TrainConfig.model_validate({"loop": "supervised", "strategy": {"mirrored": {"devices": 2}}})
    assert TrainConfig.model_validate_json(given.canonical()) == given
    before = {"loop": "supervised", "strategy": {"name": "one_device", "devices": None}}
    assert TrainConfig.model_validate(before).strategy == strategy.parse("one_device")
