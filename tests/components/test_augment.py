"""The node `augment`: copies of the train split alone, the same bytes however the work is spread."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import artifact_utils

from modelmill.components.augment import executor
from modelmill.components.augment.component import Augmenter
from modelmill.components.models.training.dataset import Examples
from modelmill.components.testing.pytest_plugin import BEAM
from modelmill.data import modality
from modelmill.data.modalities.image.config import ImagePolicy

POLICY = ImagePolicy(rotation=20, brightness=0.2, noise=0.1, mixup=0.2, mode="materialized", copies=3)
THREADS = (*BEAM[:2], "--direct_running_mode=multi_threading", "--direct_num_workers=3")


@pytest.fixture(scope="module")
def made(node_runner: Any, prepared: SimpleNamespace, image_config: Any) -> Any:
    return run(node_runner, prepared, image_config, prepared.transform.outputs["transformed_examples"])


def run(runner: Any, prepared: SimpleNamespace, config: Any, examples: Any, seed: int = 5, **more: Any) -> Any:
    graph = prepared.transform.outputs["transform_graph"]
    node = Augmenter(examples, graph, data=config, policy=POLICY, seed=seed, code="code")
    (artifact,) = runner(node, **more)["augmented_examples"]
    return artifact


def files(artifact: Any, split: str) -> dict[str, bytes]:
    folder = Path(artifact_utils.get_split_uri([artifact], split))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(artifact: Any, split: str) -> list[bytes]:
    folder = artifact_utils.get_split_uri([artifact], split)
    return [one.numpy() for one in tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(f"{folder}/*")), "GZIP")]


def test_train_is_copied_with_changes_and_the_rest_is_left_alone(
    made: Any, prepared: SimpleNamespace, image_config: Any
) -> None:
    (before,) = prepared.transform.outputs["transformed_examples"].get()
    assert made.split_names == before.split_names
    for split in ("eval", "test"):
        assert files(made, split) == files(before, split)
    assert sorted(path.name for path in Path(made.uri).iterdir()) == ["Split-eval", "Split-test", "Split-train"]
    count = len(records(before, "train"))
    assert len(records(made, "train")) == len(set(records(made, "train"))) == 3 * count
    (graph,) = prepared.transform.outputs["transform_graph"].get()
    sources = [
        f"{artifact_utils.get_split_uri([one], 'train')}/{name}"
        for one in (before, made)
        for name in files(one, "train")
    ]
    spec = modality.describe(graph.uri, sources[:1], image_config)
    assert modality.describe(graph.uri, sources[-1:], image_config) == spec
    pairs = list(Examples(sources[-1:], spec, 16).raw().as_numpy_iterator())
    labels = np.bincount([label for _, label in Examples(sources[:1], spec, 16).raw().as_numpy_iterator()])
    np.testing.assert_array_equal(np.bincount([label for _, label in pairs]), 3 * labels)
    assert pairs[0][0].shape == (12, 12, 1)


def test_the_bytes_do_not_depend_on_workers_order_or_shards(
    made: Any, run_node: Any, prepared: SimpleNamespace, image_config: Any
) -> None:
    (before,) = prepared.transform.outputs["transformed_examples"].get()
    shuffled = records(before, "train")
    random.Random(0).shuffle(shuffled)
    examples = run_node.examples(train=[], eval=[])
    folder = Path(artifact_utils.get_split_uri([examples], "train"))
    for path in folder.iterdir():
        path.unlink()
    for number in range(4):
        with tf.io.TFRecordWriter(str(folder / f"part-{number}.gz"), options="GZIP") as writer:
            for record in shuffled[number::4]:
                writer.write(record)
    again = run(run_node, prepared, image_config, run_node.channel(examples), beam=THREADS)
    assert files(again, "train") == files(made, "train")
    assert records(again, "eval") == []
    other = run(run_node, prepared, image_config, run_node.channel(examples), seed=6)
    assert files(other, "train") != files(made, "train")


def test_more_copies_are_written_to_more_files(
    made: Any, run_node: Any, prepared: SimpleNamespace, image_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "SHARD", 100)
    parts = run(run_node, prepared, image_config, prepared.transform.outputs["transformed_examples"])
    assert len(files(parts, "train")) == -(-len(records(made, "train")) // 100) > 1
    assert sorted(records(parts, "train")) == sorted(records(made, "train"))
