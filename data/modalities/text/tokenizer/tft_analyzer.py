"""The vocabulary as a part of Transform's analysis: counted on Beam over the train split, learned once, an asset.

So it is recorded and cached like every other statistic of the data, and lies beside the graph that is served.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam.experimental import PTransformAnalyzer

from modelmill.data.core.fetch import resolve
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.modalities.text.tokenizer.train import TokenizerConfig

# Words beyond so many are rarer than any piece that is learned.
WORDS = 1_000_000


def learn(texts: tf.Tensor, config: TokenizerConfig, length: int, checkpoint: str | None) -> None:
    """Adds to a preprocessing function: the tokenizer's JSON, learned from texts string [batch], as an asset.

    Args:
      texts: of the train split.
      config: what is learned.
      length: of a tokenized text.
      checkpoint: a pretrained model whose tokenizer is taken instead; see data/core/fetch/resolve.py.
    """
    tft.experimental.ptransform_analyzer(
        inputs=[texts],
        ptransform=_Learn(config, length, checkpoint),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[b""],
        name="tokenizer",
    )
    tft.annotate_asset(train.FILE, train.FILE)


def learned(output: tft.TFTransformOutput) -> str:
    """The JSON that `learn` left in Transform's output."""
    path = output.vocabulary_file_by_name(train.FILE)
    with tf.io.gfile.GFile(path) as file:
        return str(file.read())


class _Learn(PTransformAnalyzer):
    """Batches of texts to the path of a file."""

    def __init__(self, config: TokenizerConfig, length: int, checkpoint: str | None) -> None:
        super().__init__()
        self._config, self._length, self._checkpoint = config, length, checkpoint

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        counted = (
            batches
            | "Words" >> beam.ParDo(_Count(None if self._checkpoint else self._config))
            | "Sum" >> beam.CombinePerKey(sum)
            | "Common" >> beam.combiners.Top.Of(WORDS, key=lambda found: (found[1], found[0]))
        )
        path = os.path.join(self.base_temp_dir, train.FILE)
        return counted | "Learn" >> beam.Map(_write, path, self._config, self._length, self._checkpoint)


class _Count(beam.DoFn):
    """A batch of texts to (word, how often); to nothing without a config."""

    def __init__(self, config: TokenizerConfig | None) -> None:
        self._config = config

    def process(self, batch: tuple[Any, ...]) -> Iterator[tuple[str, int]]:
        if self._config is not None:
            texts = [text.decode(errors="replace") for text in batch[0].ravel().tolist()]
            yield from train.words(texts, self._config).items()


def _write(
    counts: list[tuple[str, int]], path: str, config: TokenizerConfig, length: int, checkpoint: str | None
) -> bytes:
    """Learns, or reads the checkpoint's, and gives the file's path."""
    if checkpoint is None:
        made = train.train({word: count for word, count in counts if count >= config.min_count}, config, length)
    else:
        made = train.read(resolve.locate(checkpoint), config, length)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(made)
    return path.encode()
