"""A toy of two networks and two optimizers, one of them updated five times as often: a critic and a generator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.compress import method
from modelmill.components.compress.context import Context
from modelmill.components.models import family
from modelmill.components.models.training import loop
from modelmill.components.testing.specs import make_spec
from modelmill.components.testing.updates import update_problems
from modelmill.data import task
from modelmill.data.metric import Metric, Records, Stats, number, ratio
from modelmill.data.policy import Policy
from tests.toys import chain as toy
from tests.toys.chain import Chain
from tests.toys.conftest import Toys


def hills(folder: Path) -> None:
    """Write a table of heights over places, between 60 and 140."""
    east, north = np.random.default_rng(0).uniform(-1, 1, (2, 1600))
    heights = 100 + 20 * np.sin(3 * east) + 20 * north
    rows = [f"{row[0]:.4f},{row[1]:.4f},{row[2]:.3f}" for row in zip(east, north, heights, strict=True)]
    (folder / "hills.csv").write_text("\n".join(["east,north,height", *rows]) + "\n")


class MeanOfParts(Metric):
    """A metric with a fault: the mean of each part is added up, without what the part counts."""

    def accumulate(self, recorded: Records) -> Stats:
        """Return the mean error, and one for the part."""
        off = np.abs(recorded["answer"] - recorded["label"])
        return {"mean": number(off.mean()), "parts": number(1)} if len(off) else {}

    def value(self, stats: Stats) -> float:
        """Return the mean of the means."""
        return ratio(stats["mean"], stats["parts"])


@pytest.fixture(scope="module")
def chain(toys: Toys) -> Iterator[Chain]:
    yield from toys("critic", hills)


def broken(folder: Path, before: str, after: str) -> Path:
    """Write the loop with a fault into a folder of plug-ins, as the loop `broken`."""
    text = (toy.HERE / "critic" / "loops" / "wasserstein.py").read_text()
    assert before in text
    (folder / "loops").mkdir(parents=True)
    (folder / "loops" / "broken.py").write_text(text.replace(before, after).replace('"wasserstein"', '"broken"'))
    return folder


def problems(name: str) -> list[str]:
    """Return what is wrong with the updates of a loop."""
    spec = make_spec("tabular", (2,), "float32", ("prediction",), task_name="regression")
    found, random = loop.look_up(name), np.random.default_rng(0)
    networks = family.build_networks(family.look_up("pair").Config(width=8), spec)
    places, heights = (random.normal(size=(16, columns)).astype(np.float32) for columns in (2, 1))
    return update_problems(found, found.Config(), networks, spec, places, heights)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("", "", []),
        (
            '("critic",), opt',
            '("main",), opt',
            ["network critic", "critic names the network main and"],
        ),
        (
            '"generator", ("main",)',
            '"generator", ("critic",)',
            ["no update names the network main, "],
        ),
        ('"generator", ("main",)', '"critic", ("main",)', ["2 are called critic; name each"]),
        ('("critic",), opt', '("critics",), opt', ["unknown network of the family 'critics'; .*did you mean 'critic'"]),
        ('("critic",), opt', "(), opt", ["update critic: networks: found none; name at least one of main, critic"]),
        ("every=config.critics", "every=0", ["update generator: every: found 0; it must be at least 1"]),
        ("return Update", "return ()  # Update", ["loop broken: updates: found none"]),
        ("LossTerms(-score", "LossTerms(tf.stop_gradient(score) * answers[:, 0] * 0", ["generator names the network"]),
        ("-score, tf.ones", "score / 0, tf.ones", ["weights of the network main that are not finite"]),
    ],
)
def test_an_update_that_moves_what_it_should_not_is_caught(
    tmp_path: Path, plug_ins: Callable[[Path], None], before: str, after: str, says: list[str]
) -> None:
    plug_ins(toy.HERE / "critic")
    plug_ins(broken(tmp_path, before or "Wasserstein", after or "Wasserstein"))
    found = problems("broken")
    assert len(found) == len(says), found
    for line, pattern in zip(found, says, strict=True):
        assert re.search(pattern, line)


@pytest.mark.slow
class TestChain:
    """What every toy passes, on one run."""

    def test_it_learns_though_only_the_critic_sees_labels(self, chain: Chain) -> None:
        toy.beats(chain, "r2", baseline=0.0, margin=0.6)  # 0.93 and 0.95 when this was written

    def test_it_is_pruned_quantized_and_pushed(self, chain: Chain) -> None:
        toy.passed(chain, sparsity=0.7)

    def test_methods_tune_by_the_update_that_moves_the_network(self, chain: Chain) -> None:
        stored, networks = chain.stored()
        context = Context(stored, networks["main"], chain.examples(), Policy(), 0, "toy")
        before = toy.digest(networks)
        context.enter("main", networks, networks)
        assert context.others["critic"] is networks["critic"], "a copy is made only to be trained"
        # Channels are ranked by a loss that needs the inputs, and the critic learns along with what is left.
        structured = method.look_up("structured")
        small = structured.tune(networks["main"], structured.Config(epochs=1), context)
        assert small.count_params() < networks["main"].count_params()
        assert toy.digest({"critic": context.others["critic"]}) != toy.digest({"critic": networks["critic"]})
        # The teacher's answers reach the generator, though it is moved by the second update.
        context.enter("main", networks, networks)
        distill = method.look_up("distill")
        student = distill.tune(networks["main"], distill.Config(weight=1, epochs=10, learning_rate=0.02), context)
        places = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
        taught, wanted = (model(places).numpy() for model in (student, networks["main"]))
        assert np.mean((taught - wanted) ** 2) < 0.4 * wanted.var()
        assert toy.digest(networks) == before

    def test_the_compressed_model_gives_the_same_answers(self, chain: Chain) -> None:
        exact, compressed = toy.answers(chain)
        assert np.sqrt(np.mean((exact - compressed) ** 2)) < 0.5 * exact.std()

    def test_a_killed_training_goes_on_with_the_same_bits(self, chain: Chain, tmp_path: Path) -> None:
        whole, again = toy.killed(chain, tmp_path)
        assert whole == again

    def test_swapped_optimizers_are_caught(
        self, chain: Chain, tmp_path: Path, plug_ins: Callable[[Path], None]
    ) -> None:
        devices = tf.distribute.get_strategy()
        toy.learn(chain, tmp_path / "right", devices)
        made = toy.updates_made(tmp_path / "right")
        assert made["critic"] == 5 * made["generator"] > 0
        critic, generator = 'Update("critic", ("critic",), {0})', 'Update("generator", ("main",), {0})'
        own, rare = "optimizer=own", "every=config.critics"
        right, swapped = (
            f"{critic.format(one)}, {generator.format(other)}" for one, other in ((own, rare), (rare, own))
        )
        plug_ins(broken(tmp_path / "own", right, swapped))
        toy.learn(chain, tmp_path / "wrong", devices, loop=loop.parse("broken"))
        wrong = toy.updates_made(tmp_path / "wrong")
        assert wrong["generator"] == 5 * wrong["critic"]

    def test_figures_of_an_update_that_no_step_of_an_epoch_made_are_left_out(
        self, chain: Chain, tmp_path: Path
    ) -> None:
        rare = loop.parse({"wasserstein": {"critics": 1000}})
        _, (first, second) = toy.learn(chain, tmp_path, tf.distribute.get_strategy(), loop=rare)
        assert first.keys() - second.keys() == {"generator_loss", "r2"} and "val_r2" in second

    def test_it_trains_on_two_devices(self, chain: Chain) -> None:
        rows = toy.two_devices(chain)
        assert np.isfinite([[row["critic_loss"], row["generator_loss"]] for row in rows]).all()

    def test_what_is_served_answers_alike(self, chain: Chain, tmp_path: Path) -> None:
        file = tmp_path / "places.csv"
        file.write_text("east,north\n0.5,0.5\n-0.5,-0.5\n")
        high, low = (row["prediction"]["prediction"] for row in toy.predicted(chain, file))
        assert high - low > 20, "100 + 20 sin(3 * 0.5) + 10 is above 100 - 20 sin(3 * 0.5) - 10 by 60"
        exact = toy.saved_model(chain, ["0.5,0.5", "-0.5,-0.5"])["prediction"]
        assert np.abs(exact.ravel() - [high, low]).max() < 0.5 * 18, "half a deviation of the labels"

    def test_the_report_is_made(self, chain: Chain, tmp_path: Path) -> None:
        page = toy.report(chain, tmp_path)
        assert "critic_loss" in page.lower() and "generator_loss" in page.lower()

    def test_a_metric_that_does_not_merge_is_caught(self, chain: Chain) -> None:
        recorded = toy.records(chain)
        regression = task.look_up("regression")
        assert all(toy.merges(metric, recorded) for metric in regression.METRICS)
        assert not toy.merges(MeanOfParts("mae", "the mean error of each part"), recorded)
