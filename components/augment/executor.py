"""Augmented copies of a split, on Beam: the same bytes whatever the number of workers, bundles or restarts.

The seed of a copy is made of the experiment's seed, the example's content and the copy's number. Examples are put into
shards by their content, and sorted by it there; only the originals are shuffled, copies go straight into their file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from modelmill.components.upstream import tfx_internals
from modelmill.data import batch, modality, specs, task
from modelmill.data.batch import Batch
from modelmill.data.core import progress
from modelmill.data.spec import Spec

TRAIN = "train"
# Copies in a file; and in one call of the augmentation, which is compiled for one size of batch.
SHARD, BATCH = 20_000, 64


class Executor(base_beam_executor.BaseBeamExecutor):
    """Inputs, outputs and parameters are those of component.Augmenter."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the train split anew and copies the others."""
        source = artifact_utils.get_single_instance(input_dict["examples"])
        target = artifact_utils.get_single_instance(output_dict["augmented_examples"])
        splits = artifact_utils.decode_split_names(source.split_names)
        target.split_names = source.split_names
        examples_utils.set_payload_format(target, examples_utils.get_payload_format(source))
        examples_utils.set_file_format(target, examples_utils.get_file_format(source))
        for split in splits:
            if split != TRAIN:
                io_utils.copy_dir(_folder(source, split), _folder(target, split))
        files = sorted(fileio.glob(os.path.join(_folder(source, TRAIN), "*")))
        graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        data = json.loads(exec_properties["data"])
        kind = modality.look_up(data["modality"])
        spec = specs.describe(graph, files, kind.Config.model_validate(data))
        staging = os.path.join(target.uri, "staging")
        fileio.makedirs(_folder(target, TRAIN))
        fileio.makedirs(staging)
        with tfx_internals.beam_pipeline(self) as pipeline:
            copies = exec_properties["copies"]
            writer = _WriteShard(spec, exec_properties["policy"], exec_properties["seed"], copies, staging)
            _augment(pipeline, files, writer, _folder(target, TRAIN), copies)
        fileio.rmtree(staging)
        progress.note(f"the train split is written {copies} times over, each example with changes of its own")


def _folder(artifact: Artifact, split: str) -> str:
    return os.path.join(artifact.uri, f"Split-{split}")


def _augment(pipeline: beam.Pipeline, files: list[str], writer: _WriteShard, folder: str, copies: int) -> None:
    """From the files of a split to the shards of its copies."""
    records = pipeline | "Files" >> beam.Create(files) | "Read" >> beam.io.ReadAllFromTFRecord()
    keyed = records | "Key" >> beam.Map(_keyed)
    count = records | "Count" >> beam.combiners.Count.Globally()
    shards = beam.pvalue.AsSingleton(
        count | "Shards" >> beam.Map(lambda found: max(1, math.ceil(found * copies / SHARD)))
    )
    _ = (
        keyed
        | "Place" >> beam.Map(_placed, shards)
        | "Shuffle" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(writer, folder, shards)
    )


def _store(example: tf.train.Example, features: dict[str, tf.Tensor]) -> None:
    """Write features in place of those that an example holds, as numbers of the same type."""
    for name, value in features.items():
        feature = example.features.feature[name]
        if value.dtype == tf.string:
            feature.bytes_list.value[:] = [value.numpy()]
        elif feature.WhichOneof("kind") == "int64_list":
            feature.int64_list.value[:] = value.numpy().ravel()
        else:
            feature.float_list.value[:] = value.numpy().ravel()


def _keyed(record: bytes) -> tuple[bytes, bytes]:
    """With the digest of an example's content: not of its bytes, in which features may come in any order."""
    canonical = tf.train.Example.FromString(record).SerializeToString(deterministic=True)
    return hashlib.sha256(canonical).digest(), canonical


def _placed(keyed: tuple[bytes, bytes], shards: int) -> tuple[int, tuple[bytes, bytes]]:
    return int.from_bytes(keyed[0][:8], "big") % shards, keyed


class _WriteShard(beam.DoFn):
    """All copies of the examples of a shard to its file, copy after copy, each in the order of the digests."""

    def __init__(self, spec: Spec, policy: str, seed: int, copies: int, staging: str) -> None:
        # As JSON: a worker imports a modality of the user's own by its name only, not by unpickling its facts.
        self._stored = spec.canonical()
        self._policy, self._seed, self._copies, self._staging = policy, seed, copies, staging

    def setup(self) -> None:
        self._spec = specs.read(json.loads(self._stored))
        kind = modality.look_up(self._spec.modality)
        policy = kind.Policy.model_validate_json(self._policy).fitted(self._spec)

        def change(serialized: tf.Tensor, seeds: tf.Tensor) -> Batch:
            found = batch.of(*modality.parse(serialized, self._spec), self._spec)
            return kind.augment(found, seeds, policy, self._spec)

        self._change = tf.function(change, autograph=False)

    def process(self, shard: tuple[int, Iterable[tuple[bytes, bytes]]], folder: str, shards: int) -> Iterator[str]:
        number, found = shard
        examples = sorted(found)
        # A worker that died, or two on the same shard, leave no half of a file: a whole one takes its name at the end.
        half = os.path.join(self._staging, uuid.uuid4().hex)
        with tf.io.TFRecordWriter(half, options="GZIP") as writer:
            for copy in range(self._copies):
                for start in range(0, len(examples), BATCH):
                    for record in self._changed(examples[start : start + BATCH], copy):
                        writer.write(record)
        path = os.path.join(folder, f"augmented_examples-{number:05}-of-{shards:05}.gz")
        tf.io.gfile.rename(half, path, overwrite=True)
        yield path

    def _changed(self, examples: list[tuple[bytes, bytes]], copy: int) -> Iterator[bytes]:
        """The copies, as serialized tf.Examples; what holds neither the input nor a target that moves is kept."""
        kind, asked = modality.look_up(self._spec.modality), task.look_up(self._spec.task)
        target = self._spec.target
        # Always as many: the augmentation is compiled for each size of batch.
        whole = [examples[place % len(examples)] for place in range(BATCH)]
        seeds = tf.constant([self._seeds(digest, copy) for digest, _ in whole], tf.int64)
        changed = self._change(tf.constant([record for _, record in whole]), seeds)
        inputs, labels = changed[self._spec.input.name], changed[target.name]
        for (_, record), one, label in zip(examples, inputs, labels, strict=False):
            example = tf.train.Example.FromString(record)
            _store(example, kind.encode(one))
            if target.role in batch.PLACES:
                _store(example, asked.encode(label, self._spec))
            yield example.SerializeToString(deterministic=True)

    def _seeds(self, digest: bytes, copy: int) -> tuple[int, int]:
        made = hashlib.sha256(digest + f"{self._seed}/{copy}".encode()).digest()
        return int.from_bytes(made[:8], "big", signed=True), int.from_bytes(made[8:16], "big", signed=True)
