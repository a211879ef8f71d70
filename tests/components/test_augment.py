"""The node `augment`: copies of the train split alone, the same bytes however the work is spread."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from modelmill.components.augment import executor
from modelmill.components.augment.component import Augmenter
from modelmill.components.models.training.dataset import Examples
from modelmill.components.testing.pytest_plugin import BEAM
from modelmill.data import batch, modality, specs
from modelmill.data.core import plugins
from modelmill.data.modalities.image.config import ImageConfig, ImagePolicy

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
    spec = specs.describe(graph.uri, sources[:1], image_config)
    assert specs.describe(graph.uri, sources[-1:], image_config) == spec
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


REGION = '''
"""Regions: which pixels belong to the object."""
from modelmill.data import metrics
from modelmill.data.core.config import Strict
from modelmill.data.spec import TaskFacts, TensorSpec
from modelmill.data.task import Task

class Region(Task[Strict]):
    """Mark the object."""
    METRICS = (metrics.ACCURACY,)
    def record(self, answers, labels): raise NotImplementedError
    REPORTED, ANSWER, MEANING, MEASURE = ("accuracy",), "region", "a probability a pixel", "accuracy"
    def preprocess(self, label, config): raise NotImplementedError
    def soft_targets(self, labels, spec): raise NotImplementedError
    def loss(self, target, outputs): raise NotImplementedError
    def train_metric(self, target, outputs): raise NotImplementedError
    def postprocess(self, outputs, inputs, spec): raise NotImplementedError
    def describe(self, output, example, config):
        return TaskFacts(labels=("object",))
    def targets(self, facts):
        return (TensorSpec(name="region", shape=(24, 32), dtype="int64", role="mask"),)
    def features(self, spec):
        import tensorflow as tf
        return {"region": tf.io.FixedLenFeature([24, 32], tf.int64)}
    def label(self, features, spec):
        return features["region"]
'''


@pytest.fixture
def region(tmp_path: Path) -> Iterator[ImageConfig]:
    """Images with a task of the user's own whose targets are masks."""
    (tmp_path / "own" / "tasks").mkdir(parents=True)
    (tmp_path / "own" / "tasks" / "region.py").write_text(REGION)
    plugins.use(tmp_path / "own")
    yield ImageConfig(path=".", height=24, width=32, channels=1, task="region")
    plugins.forget(tmp_path / "own")


def marked(count: int) -> list[dict[str, Any]]:
    """Transformed examples, each with a light object somewhere and its mask."""
    draw, made = np.random.default_rng(0), []
    for _ in range(count):
        mask = np.zeros((24, 32), np.int64)
        top, left = draw.integers(3, 9), draw.integers(3, 12)
        mask[top : top + 11, left : left + 15] = 1
        picture = np.where(mask, 230, 20).astype(np.uint8)[..., np.newaxis]
        features = {"image": tf.io.encode_png(picture).numpy(), "mean": [0.0], "stddev": [1.0], "kept": "as it is"}
        made.append({**features, "region": mask.ravel().tolist()})
    return made


def overlap(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return, of each example, the intersection over union of the light pixels and the mask."""
    found = images[..., 0] > 125
    return (found & (masks > 0)).sum(axis=(1, 2)) / (found | (masks > 0)).sum(axis=(1, 2))


def test_masks_move_with_their_pictures_written_down_as_while_training(run_node: Any, region: ImageConfig) -> None:
    policy = ImagePolicy(rotation=25, translation=0.1, horizontal_flip=0.5, mode="materialized", copies=2)
    source = run_node.examples(train=marked(40))
    graph = run_node.channel(run_node.artifact(standard_artifacts.TransformGraph))
    node = Augmenter(run_node.channel(source), graph, data=region, policy=policy, seed=5, code="code")
    (written,) = run_node(node)["augmented_examples"]
    paths = {
        name: tf.io.gfile.glob(f"{artifact_utils.get_split_uri([artifact], 'train')}/*")
        for name, artifact in (("before", source), ("after", written))
    }
    spec = specs.describe("", paths["before"], region)

    # Written down: as the augmentation makes them of the same seeds, and with all else that an example holds.
    stored = [tf.train.Example.FromString(record) for record in records(source, "train")]
    contents = [example.SerializeToString(deterministic=True) for example in stored]
    digests = [hashlib.sha256(content).digest() for content in contents]
    drawn = [hashlib.sha256(digest + f"5/{copy}".encode()).digest() for copy in range(2) for digest in digests]
    seeds = np.stack([np.frombuffer(one[:16], ">i8").astype(np.int64) for one in drawn])
    given = batch.of(*modality.parse(tf.constant(contents * 2), spec), spec)
    online = modality.look_up("image").augment(given, tf.constant(seeds), policy.fitted(spec), spec)
    images, masks = modality.parse(tf.constant(records(written, "train")), spec)
    wanted = {image.tobytes() + mask.tobytes() for image, mask in zip(*map(np.asarray, online.values()), strict=True)}
    found = {image.tobytes() + mask.tobytes() for image, mask in zip(images.numpy(), masks.numpy(), strict=True)}
    assert found == wanted and len(images) == 80
    assert overlap(images.numpy(), masks.numpy()).min() >= 0.94
    assert all(b"as it is" in record for record in records(written, "train"))

    # While training: the last batch, which is filled up, too.
    changed = policy.model_copy(update={"mode": "online"})
    batches = list(Examples(paths["before"], spec, 16).training(changed, 3, 0).as_numpy_iterator())
    assert [len(masks) for _, masks in batches] == [16, 16, 8]
    for inputs, targets in batches:
        assert overlap(inputs, targets).min() >= 0.94
    with pytest.raises(ValueError, match=r"augment\.augmix: can't be applied to the target region"):
        Examples(paths["before"], spec, 16).training(ImagePolicy(augmix={}), 3, 0)  # type: ignore[arg-type]
