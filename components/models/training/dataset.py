"""Transformed examples as a model's input: parsed, shuffled, augmented if they are for training, normalised."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from modelmill.data import batch as batches
from modelmill.data import modality, task
from modelmill.data.batch import Batch
from modelmill.data.policy import Policy
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tensorflow as tf

# Splits of fewer bytes on disk are parsed once and kept in memory.
CACHED_BYTES = 256 * 2**20
SHUFFLED = 10_000


class Examples:
    """One split. Every call gives a new pass; passes of the same number and seed are equal."""

    def __init__(self, files: Sequence[str], spec: Spec, batch: int, oversample: float = 0) -> None:
        """Takes a split.

        Args:
          files: gzipped TFRecords of transformed examples.
          spec: of the examples.
          batch: examples a step.
          oversample: how far `training` evens out the classes: 0 leaves them, 1 gives all the same share.
        """
        self.files, self.spec, self.batch, self._oversample = sorted(files), spec, batch, oversample
        self._modality, self._task = modality.look_up(spec.modality), task.look_up(spec.task)

    @cached_property
    def count(self) -> int:
        """Number of examples that are learned from; reads the split."""
        import tensorflow as tf

        found = tf.data.TFRecordDataset(self.files, "GZIP")
        if self._some:
            found = self._learned
        return sum(1 for _ in found.batch(1).as_numpy_iterator())

    @property
    def steps(self) -> int:
        """Batches in a pass."""
        return math.ceil(self.count / self.batch)

    @cached_property
    def _parsed(self) -> tf.data.Dataset:
        """Pairs (input of spec.input [*shape], label of the task), in the order of the files."""
        return self._read(finished=True)

    @cached_property
    def _drafts(self) -> tf.data.Dataset:
        """The same, as augmentation takes them."""
        return self._read(finished=False) if self._modality.has_drafts else self._parsed

    def _read(self, finished: bool) -> tf.data.Dataset:
        import tensorflow as tf

        @tf.autograph.experimental.do_not_convert  # there is nothing to convert in it, and looking takes longer
        def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inputs, labels = modality.parse(serialized, self.spec)
            return modality.finish(inputs, self.spec) if finished else inputs, labels

        pairs = (
            tf.data.TFRecordDataset(self.files, "GZIP")
            .batch(256)
            .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
            .unbatch()
        )
        small = sum(os.path.getsize(file) for file in self.files) < CACHED_BYTES
        return pairs.cache() if small else pairs

    @property
    def _some(self) -> bool:
        """Whether the task learns from some examples only."""
        return self._task.trainable_mask(self._parsed.element_spec[1]) is not None

    @cached_property
    def _learned(self) -> tf.data.Dataset:
        """The pairs that are learned from."""
        return self._of_learned(self._parsed)

    def _of_learned(self, pairs: tf.data.Dataset) -> tf.data.Dataset:
        return pairs.filter(lambda _, label: self._task.trainable_mask(label)) if self._some else pairs

    def open(self, policy: Policy) -> None:
        """Makes what all passes of `training` share, outside of a function that is traced."""
        self._source(policy)

    def _source(self, policy: Policy) -> tf.data.Dataset:
        """What `training` takes: inputs are made beforehand if the policy has no use for their drafts."""
        return self._of_learned(self._drafts) if policy.changes() or policy.mixes() else self._learned

    @cached_property
    def by_class(self) -> list[int]:
        """Number of examples of each class, in the order of the labels; reads the split."""
        counts = [0] * len(self.spec.labels)
        for _, label in self.raw().as_numpy_iterator():
            counts[int(label)] += 1
        return counts

    def _drawn(self, policy: Policy, seed: int) -> tf.data.Dataset:
        """A shuffled pass; with oversampling as many examples, of rare classes some more than once."""
        import tensorflow as tf

        source = self._source(policy)
        if not self._oversample:
            return source.shuffle(min(SHUFFLED, max(self.count, 1)), seed=seed)
        present = [(number, count) for number, count in enumerate(self.by_class) if count]
        parts = [
            source.filter(lambda _, label, number=number: label == number)
            .shuffle(min(SHUFFLED, count), seed=seed + number)
            .repeat()
            for number, count in present
        ]
        weights = [count ** (1 - self._oversample) for _, count in present]
        shares = [weight / sum(weights) for weight in weights]
        return tf.data.Dataset.sample_from_datasets(parts, shares, seed=seed).take(self.count)

    def raw(self) -> tf.data.Dataset:
        """One by one, unbatched: (input of spec.input [*shape], label). Never augmented."""
        return self._parsed

    def plain(self) -> tf.data.Dataset:
        """Batches (normalised float32 [batch, *shape], targets), of what is learned from. Never augmented."""
        import tensorflow as tf

        prepared = tf.autograph.experimental.do_not_convert(self._prepared)
        return self._learned.batch(self.batch).map(prepared).prefetch(tf.data.AUTOTUNE)

    def _prepared(self, inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What the loss takes, of a batch as it was parsed."""
        inputs = modality.normalise(inputs, self.spec)
        return inputs, self._task.target(inputs, labels, self.spec)

    def training(self, policy: Policy, seed: int, epoch: int, whole: bool = False) -> tf.data.Dataset:
        """As plain, but shuffled and augmented: the n-th example of an epoch has a random seed of its own.

        With a policy that mixes examples the targets of classes are float32 [batch, classes].

        Args:
          policy: of the augmentation; all of it is applied, whatever its mode.
          seed: of the order and the augmentation.
          epoch: number of the pass.
          whole: leave out a last batch that is not whole: shared out among replicas it can leave one of them
            without examples, which batch normalisation does not bear.

        Raises:
          ValueError: there is no whole batch.
        """
        import tensorflow as tf

        policy = policy.fitted(self.spec)
        if whole and self.count < self.batch:
            raise ValueError(f"train.batch: found {self.batch}, but the train split has only {self.count} examples")

        @tf.autograph.experimental.do_not_convert
        def prepare(places: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            seeds = tf.stack([tf.fill(tf.shape(places), tf.constant(seed, tf.int64)), places], axis=1)
            examples = batches.of(*pair, self.spec)
            if policy.changes():
                examples = self._augmented(examples, seeds, policy)
            if policy.mixes():
                examples = self._modality.mix(self._softened(examples), seeds, policy, self.spec)
            inputs, labels = examples[self.spec.input.name], examples[self.spec.target.name]
            if policy.changes() or policy.mixes():
                inputs = modality.finish(inputs, self.spec)
            return self._prepared(inputs, labels)

        return (
            self._drawn(policy, (seed * 1_000_003 + epoch) % 2**31)
            .enumerate(epoch * 2**32)
            .batch(self.batch, drop_remainder=whole)
            .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    def _softened(self, examples: Batch) -> Batch:
        """Return a batch whose plain target can be mixed; masks, which are pasted, stay."""
        target = self.spec.target
        if target.role != "plain":
            return examples
        return {**examples, target.name: self._task.soft_targets(examples[target.name], self.spec)}

    def _augmented(self, examples: Batch, seeds: tf.Tensor, policy: Policy) -> Batch:
        """Augments a batch, filled up if it is the last: augmentation is compiled anew for each size of batch."""
        import tensorflow as tf

        if not all(isinstance(tensor, tf.Tensor) for tensor in examples.values()):  # drafts of several parts
            return self._modality.augment(examples, seeds, policy, self.spec)
        count = tf.shape(seeds)[0]
        places = tf.range(self.batch) % count

        def filled(tensor: tf.Tensor) -> tf.Tensor:
            gathered = tf.gather(tensor, places)
            is_known = gathered.shape.rank is not None
            return tf.ensure_shape(gathered, [self.batch, *gathered.shape[1:]]) if is_known else gathered

        whole = {name: filled(tensor) for name, tensor in examples.items()}
        changed = self._modality.augment(whole, filled(seeds), policy, self.spec)
        return {name: tensor[:count] for name, tensor in changed.items()}
