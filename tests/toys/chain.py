"""Drive a toy, a folder of plug-ins with an experiment beside them, through what every plug-in is promised.

To add a toy NAME:

1. Write tests/toys/NAME/experiment.yaml with `plugins: .` and `name: NAME`, and beside it families/, loops/, tasks/ and
   so on, as a user would: public names only. Its chain of compression should prune and quantize.
2. In tests/toys/test_NAME.py write the fixture `chain`, of the scope "module": `yield from toys("NAME", write)` with
   the fixture `toys` of conftest.py and a function that writes the raw data into a folder. It runs the chain once.
3. Assert on it with what is here: `beats`, `passed`, `answers`, `killed`, `two_devices`, `saved_model`, `served`,
   `predicted`, `report`, `merges`. State the margins and the tolerance there; leave them wide, since another CPU gives
   other numbers. Then plant a fault of what the toy is about, and assert that it is caught.

The chain takes some 30 s on one core if the training takes 10 s: mark what uses it `slow`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import modelmill
from modelmill.components.artifacts import REBUILD, SERVING
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.networks import Networks
from modelmill.components.models.training import checkpoints, driver
from modelmill.components.models.training.dataset import Examples
from modelmill.components.models.training.loop import LoopConfig
from modelmill.data import modality, predictions
from modelmill.data.core import plugins
from modelmill.data.metric import Metric, Records
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders

if TYPE_CHECKING:
    import tensorflow as tf

HERE = Path(__file__).parent
# Of the short trainings; a checkpoint is due after the first of a process, whatever its time.
EPOCHS = 2


@dataclass(frozen=True)
class Chain:
    """A toy's run through all nodes.

    Attributes:
      folder: of the toy's plug-ins.
      root: of the runs.
      experiment: as it was run.
      run: what it came to.
    """

    folder: Path
    root: Path
    experiment: Experiment
    run: modelmill.Run

    def stored(self) -> tuple[model_store.Stored, Networks]:
        """Return the trained model as it was stored: what rebuilds it, and its networks."""
        return model_store.load_networks(self.run.artifact("train", "model") / REBUILD)

    def history(self) -> list[dict[str, float]]:
        """Return the figures of each epoch."""
        rows: list[dict[str, float]] = json.loads(
            (self.run.artifact("train", "model_run") / "history.json").read_text()
        )
        return rows

    def examples(self) -> dict[str, Examples]:
        """Return the transformed splits train and eval, in batches of the experiment."""
        stored, folder = self.stored()[0], self.run.artifact("transform", "transformed_examples")
        return {
            split: Examples([str(path) for path in (folder / f"Split-{split}").iterdir()], stored.spec, stored.batch)
            for split in ("train", "eval")
        }


def run(name: str, write: Callable[[Path], None], folder: Path) -> Chain:
    """Run the experiment of a toy in this process.

    Args:
      name: of the toy's folder in tests/toys.
      write: writes its raw data into a folder.
      folder: takes data and runs.
    """
    data = folder / "data"
    data.mkdir()
    write(data)
    experiment = modelmill.load_experiment(HERE / name / "experiment.yaml", {"data.path": str(data)})
    return Chain(HERE / name, folder / "runs", experiment, modelmill.run(experiment, folder / "runs", quiet=True))


def beats(chain: Chain, metric: str, baseline: float, margin: float) -> None:
    """Assert that both models are better than a constant answer by a margin, on the test split.

    Args:
      chain: a finished run.
      metric: a name of the task's.
      baseline: its value for the best constant answer.
      margin: what the models must be better by.
    """
    for model in (chain.run.float_model, chain.run.compressed_model):
        assert model is not None and model.metrics[metric] - baseline > margin, model


def passed(chain: Chain, sparsity: float) -> None:
    """Assert that the run pushed a pruned, quantized model, and that every gate was decided and passed."""
    found = chain.run
    assert found.status == "pushed" and found.pushed is not None, found
    gates = {gate.gate for gate in found.gates if gate.passed}
    assert {"threshold", "budget", "non_inferiority", "load-check"} <= gates, gates
    assert all(gate.passed for gate in found.gates)
    assert {trial.status for trial in found.trials} == {"ok"}
    assert found.compressed_model is not None and (found.compressed_model.sparsity or 0) >= sparsity


def answers(chain: Chain, field: str = "answer") -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a field of the recorded answers to the test split: the float model's, and the flatbuffer's."""
    folder = chain.run.artifact("evaluate-compressed", "predictions")
    rows = list(predictions.read(str(folder)))
    exact = predictions.deserialize([row.exact for row in rows])
    return exact[field], predictions.deserialize([row.compressed for row in rows])[field]


def records(chain: Chain) -> Records:
    """Return the float model's records of the test split."""
    folder = chain.run.artifact("evaluate-compressed", "predictions")
    return predictions.deserialize([row.exact for row in predictions.read(str(folder))])


def merges(metric: Metric, recorded: Records) -> bool:
    """Return whether the metric of all records is that of the merged statistics of three uneven parts and of none."""
    count = len(next(iter(recorded.values())))
    cuts = [0, 0, count // 7, count // 2, count]
    parts = [
        metric.accumulate({name: value[start:stop] for name, value in recorded.items()})
        for start, stop in itertools.pairwise(cuts)
    ]
    whole, merged = metric.of(recorded), metric.value(metric.merge(parts[::-1]))
    return bool(np.isclose(whole, merged, rtol=1e-9, equal_nan=True))


class KilledError(Exception):
    """Stands for a kill after the first epoch."""


def killed(chain: Chain, folder: Path) -> tuple[str, str]:
    """Train for a few epochs in one go, and again with a kill after the first.

    Returns:
      Digests of the weights of all networks, of both trainings.
    """
    import tensorflow as tf

    def train(name: str, watch: Callable[[int, dict[str, float]], None]) -> str:
        networks, _ = learn(chain, folder / name, tf.distribute.get_strategy(), watch)
        return digest(networks)

    def kill(epoch: int, row: dict[str, float]) -> None:
        raise KilledError

    whole = train("whole", lambda epoch, row: None)
    try:
        train("killed", kill)
        raise AssertionError("the training was not killed")
    except KilledError:
        pass
    return whole, train("killed", lambda epoch, row: None)


def learn(
    chain: Chain,
    folder: Path,
    strategy: tf.distribute.Strategy,
    watch: Callable[[int, dict[str, float]], None] = lambda epoch, row: None,
    loop: LoopConfig | None = None,
) -> tuple[Networks, list[dict[str, float]]]:
    """Train anew for a few epochs, in the precision of the experiment; checkpoints go into the folder.

    Args:
      chain: a finished run.
      folder: takes the checkpoints, or has those to go on from.
      strategy: the devices.
      watch: gets each epoch's number and figures.
      loop: another one than the experiment's.
    """
    import tf_keras

    stored, train = chain.stored()[0], chain.experiment.train
    tf_keras.utils.set_random_seed(3)
    return driver.train(
        build=lambda: family.begin(stored.family, stored.spec),
        examples=chain.examples(),
        learning=train.model_copy(update={"epochs": EPOCHS}),
        policy=modality.look_up(stored.spec.modality).Policy(),
        seed=0,
        strategy=strategy,
        checkpoints=folder,
        watch=watch,
        factors=family.factors(stored.family),
        loop=loop or train.loop,
    )


def updates_made(folder: Path) -> dict[str, int]:
    """Return how often each update was made in a training whose last checkpoint is in the folder, by their names."""
    import tensorflow as tf

    last = tf.train.load_checkpoint(str(folder / str(checkpoints.Keeper(folder).state.checkpoint)))
    found = (re.match(r"optimizer_(.+?)/.*_?iterations/", name) for name in last.get_variable_to_shape_map())
    return {match[1]: int(last.get_tensor(match.string)) for match in found if match}


def digest(networks: Networks) -> str:
    """Return the SHA-256 of all weights."""
    found = hashlib.sha256()
    for name, network in sorted(networks.items()):
        for value in network.get_weights():
            found.update(name.encode() + value.tobytes())
    return found.hexdigest()


def two_devices(chain: Chain) -> list[dict[str, float]]:
    """Train for a few epochs on two logical devices, in a process of its own, and return the figures of each epoch."""
    work = [str(chain.folder), str(chain.root), str(chain.run.folder), str(chain.experiment.data.path)]
    done = child([sys.executable, "-m", "tests.toys.two_devices", *work], MODELMILL_PLUGINS=str(chain.folder))
    replicas, *rows = json.loads(done.splitlines()[-1])
    assert replicas == 2 and len(rows) == EPOCHS
    return [dict(row) for row in rows]


def saved_model(chain: Chain, files: Sequence[Path | str]) -> dict[str, NDArray[Any]]:
    """Return what the signature `serving_default` of the trained SavedModel answers to raw contents."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(chain.run.artifact("train", "model") / SERVING))
    signature = loaded.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    return {key: value.numpy() for key, value in signature(**{name: tf.constant(list(map(str, files)))}).items()}


def predicted(chain: Chain, *files: Path) -> list[dict[str, Any]]:
    """Return what `modelmill predict` says of raw files, by the client of the pushed version."""
    done = child([sys.executable, "-m", "modelmill", "predict", str(chain.run.pushed), *map(str, files), "--json"])
    return [json.loads(line) for line in done.splitlines() if line.strip()]


def report(chain: Chain, folder: Path) -> str:
    """Return the page that `modelmill report` makes of the run, in a process that nobody told of the plug-ins."""
    shutil.rmtree(Folders(chain.root, chain.experiment.name).cache)  # parts of the page that the run made
    child([sys.executable, "-m", "modelmill", "report", str(chain.run.folder), "-o", str(folder)])
    return (folder / "report.html").read_text(encoding="utf-8")


def child(command: Sequence[str], **variables: str) -> str:
    """Return what a command prints; it knows of no plug-ins but those that the variables name."""
    environment = {name: value for name, value in os.environ.items() if name != plugins.ENV}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**environment, **variables}, timeout=300
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout
