"""The Compressor's chains beside what the libraries under it give by hand: one trained network, its data, one run.

make bench ARGS='-k test_peers'
TRIALS_ROOT=runs make bench ARGS='-k test_peers'  # takes the network of seed 0 that has been trained there
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.context import CALIBRATION
from modelmill.components.compress.trials import main as trial
from modelmill.components.compress.trials import measure
from modelmill.components.models.export import model_store, saved_model
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.models.training import driver
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality
from tests.benchmarks import bench_trials

if TYPE_CHECKING:
    import tf_keras

EPOCHS = 48
CALIBRATED = 200


@dataclass
class Work:
    """The trained network and what surrounds it; `chains` are the experiment's."""

    model: tf_keras.Model
    stored: model_store.Stored
    folders: dict[str, Any]
    examples: dict[str, Examples]
    chains: list[list[dict[str, Any]]]

    def copy(self) -> tf_keras.Model:
        """TF-MOT wraps the layers that it is given."""
        import tf_keras

        made = tf_keras.models.clone_model(self.model)
        made.set_weights(self.model.get_weights())
        return made

    def train(self, model: tf_keras.Model, epochs: int, rate: float, *callbacks: Any) -> None:
        """By the loop, and on the augmented examples, that every chain has."""
        policy = modality.look_up("image").Policy.model_validate(self.folders["augment"])
        driver.fine_tune({"main": model}, self.examples["train"], policy, epochs, rate, list(callbacks), 0, "by hand")

    def converted(self, model: tf_keras.Model, kind: str = "float32") -> bytes:
        """By TF's converter: float32, float16, dynamic_range or int8."""
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(saved_model.served(model, self.stored.spec, batch=1))
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = lambda: ([row] for row in self.rows())
        return bytes(converter.convert())

    def rows(self) -> Iterator[Any]:
        """Train examples that give ranges, each a batch of one."""
        for inputs, _ in self.examples["train"].raw().take(CALIBRATED).batch(1):
            yield inputs

    def by_hand(self, clusters: bool) -> bytes:
        """TF-MOT's guides: 80 % of every layer pruned (Adam at 0.001), then 16 clusters that keep the zeros."""
        import tensorflow_model_optimization as tfmot

        epochs = EPOCHS * 2 // 3 if clusters else EPOCHS
        end = self.examples["train"].steps * epochs
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.8, begin_step=0, end_step=end)
        wrapped = tfmot.sparsity.keras.prune_low_magnitude(self.copy(), pruning_schedule=schedule)
        self.train(wrapped, epochs, 1e-3, tfmot.sparsity.keras.UpdatePruningStep())
        model = tfmot.sparsity.keras.strip_pruning(wrapped)
        if clusters:
            start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
            wrapped = tfmot.clustering.keras.cluster_weights(
                model, number_of_clusters=16, cluster_centroids_init=start, preserve_sparsity=True
            )
            self.train(wrapped, EPOCHS - epochs, 1e-3)
            model = tfmot.clustering.keras.strip_clustering(wrapped)
        return self.converted(model, "dynamic_range")

    def litert(self, recipe: str) -> bytes:
        """litert-quantizer and its recipe of that name, behind TF's converter."""
        from litert_quantizer import quantizer
        from litert_quantizer import recipe as recipes

        made = quantizer.Quantizer(bytearray(self.converted(self.model)), getattr(recipes, recipe)())
        rows = [{"inputs": row.numpy()} for row in self.rows()]
        ranges = made.calibrate({"serving_default": rows}) if made.need_calibration else None
        return bytes(made.quantize(ranges, enable_progress_report=False).quantized_model)

    def chain(self, chain: list[dict[str, Any]]) -> bytes:
        """As the Compressor makes it."""
        bench = trial.Bench(self.folders, [chain])
        return bench._apply(chain, compress_chain.label(chain))[0]


def trained(root: Path) -> Work:
    """What the experiment mnist-cnn trains with seed 0."""
    links = bench_trials.ran(root / "seed-0", "mnist-cnn", "train", "run.seed=0")
    folder = links / "transform" / "transformed_examples"
    files = {split: sorted(map(str, (folder / f"Split-{split}").iterdir())) for split in ("train", "eval", "test")}
    experiment = yaml.safe_load((links.parent / "experiment.yaml").read_text())
    rebuild = links / "train" / "model" / "modelmill"
    stored, model = model_store.load(rebuild)
    examples = {split: Examples(found, stored.spec, stored.batch) for split, found in files.items()}
    folders = {"rebuild": str(rebuild), "files": {**files, CALIBRATION: files["train"]}, "seed": 0}
    folders |= {"augment": experiment["augment"], "metric": "accuracy"}
    chains = [parse_chain(chain) for chain in experiment["compress"]["chains"]]
    return Work(model, stored, folders, examples, chains)


def rows_of(work: Work) -> list[tuple[str, str, Callable[[], bytes]]]:
    """(by what, how, what makes the flatbuffer)."""
    smallest = [chain for chain in work.chains if compress_chain.label(chain).endswith("cluster + dynamic_range")]
    return [
        ("TF's converter", "float32", lambda: work.converted(work.model)),
        *(
            ("TF's converter", kind, lambda kind=kind: work.converted(work.model, kind))
            for kind in ("float16", "dynamic_range", "int8")
        ),
        *(
            ("litert-quantizer", recipe, lambda recipe=recipe: work.litert(recipe))
            for recipe in ("dynamic_wi8_afp32", "dynamic_wi4_afp32", "static_wi8_ai8")
        ),
        ("TF-MOT by hand", "80 % pruned, dynamic range", lambda: work.by_hand(False)),
        ("TF-MOT by hand", "80 % pruned, 16 clusters, dynamic range", lambda: work.by_hand(True)),
        *(("modelmill", compress_chain.label(chain), lambda chain=chain: work.chain(chain)) for chain in smallest),
    ]


@pytest.mark.timeout(3600)
def test_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = trained(Path(os.environ.get("TRIALS_ROOT", tmp_path)).resolve())

    def told(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    pairs = list(work.examples["test"].raw().as_numpy_iterator())
    told("| by | how | accuracy | bytes | gzipped | latency | seconds |\n" + "|---" * 7 + "|")
    smallest, exact = dict[str, int](), tmp_path / "0.tflite"
    for number, (by, how, make) in enumerate(rows_of(work)):
        start, path = time.perf_counter(), tmp_path / f"{number}.tflite"
        path.write_bytes(make())
        seconds = time.perf_counter() - start
        answers = interpreter.Flatbuffer(path).predict_all(image for image, _ in pairs)
        accuracy = float(np.mean(answers.argmax(axis=1) == [label for _, label in pairs]))
        size = measure.sizes(path)
        ratio = measure.latencies(path, exact, pairs[0][0])["latency"]["one_thread"]["ratio"]
        found = (by, how, f"{accuracy:.4f}", f"{size['bytes']:,}", f"{size['gzip_bytes']:,}", f"{ratio:.2f}")
        told(f"| {' | '.join(found)} | {seconds:.0f} |")
        smallest[by] = min(size["gzip_bytes"], smallest.get(by, size["gzip_bytes"]))
    assert smallest["modelmill"] == min(smallest.values())
