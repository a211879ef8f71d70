"""Texts to token ids by TensorFlow's own ops: the same ids, one by one, as the `tokenizers` library gives.

No package but TensorFlow is needed where a SavedModel with it is served.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from modelmill.data.modalities.text.tokenizer import tf_normalizer, tf_subwords
from modelmill.data.modalities.text.tokenizer.train import END, START, STOP

if TYPE_CHECKING:
    import tensorflow as tf

# Between the two texts of a pair.
BETWEEN = "\t"


class GraphTokenizer:
    """A tokenizer's JSON as a function of tensors; free of state, so that any graph can have it."""

    def __init__(self, tokenizer: str) -> None:
        """Args: tokenizer: JSON, as data/modalities/text/tokenizer/train.py makes it."""
        content = json.loads(tokenizer)
        vocabulary = content["model"]["vocab"]
        self._characters = tf_normalizer.read_off(tokenizer)
        self._cut = tf_subwords.of(content["model"])
        self._stop = tf_subwords.Lookup({word: 1 for word in _stop_words(content)}) if _stop_words(content) else None
        self._length: int = content["truncation"]["max_length"]
        self._start, self._end = vocabulary[START], vocabulary[END]

    def __call__(self, texts: tf.Tensor, pairs: bool = False) -> tf.Tensor:
        """Texts, string [batch], to ids int32 [batch, length].

        Args:
          texts: in UTF-8.
          pairs: each text is two, with a tab between them; the second follows the first behind a second [SEP].
        """
        import tensorflow as tf

        if not pairs:
            ids = self._ids(texts, self._length - 2)[:, : self._length - 2]
            return self._padded([ids])
        parts = tf.strings.split(texts, BETWEEN, maxsplit=1).to_tensor("", shape=[None, 2])
        # Whole: which of them is longer decides how they are cut.
        one, two = (self._ids(parts[:, side], None) for side in (0, 1))
        first, second = _longest_first(one.row_lengths(), two.row_lengths(), self._length - 3)
        return self._padded([_cut_rows(one, first), _cut_rows(two, second)])

    def _ids(self, texts: tf.Tensor, most: int | None) -> tf.RaggedTensor:
        """int32 [batch, (pieces)]; of `most` words, if given: each gives at least one piece."""
        import tensorflow as tf

        words, rows = tf_normalizer.split(texts, self._characters)
        if self._stop is not None:
            kept = self._stop(tf.strings.unicode_encode(words, "UTF-8")) < 0
            words, rows = tf.ragged.boolean_mask(words, kept), tf.boolean_mask(rows, kept)
        count = tf.size(texts, tf.int64)
        if most is not None:
            place = tf.range(tf.size(rows, tf.int64)) - tf.searchsorted(rows, rows, side="left", out_type=tf.int64)
            words, rows = tf.ragged.boolean_mask(words, place < most), tf.boolean_mask(rows, place < most)
        text, number = tf.unique(tf.strings.unicode_encode(words, "UTF-8"), tf.int64)
        cut = tf.gather(self._cut(tf.strings.unicode_decode(text, "UTF-8")), number)
        of_text = tf.repeat(rows, cut.row_lengths())
        return tf.RaggedTensor.from_value_rowids(cut.flat_values, of_text, nrows=count, validate=False)

    def _padded(self, parts: list[tf.RaggedTensor]) -> tf.Tensor:
        """[CLS], then each part and [SEP], then zeros."""
        import tensorflow as tf

        def column(value: int) -> tf.RaggedTensor:
            return tf.RaggedTensor.from_tensor(tf.fill([parts[0].nrows(), 1], tf.constant(value, tf.int32)))

        row = [column(self._start)]
        for part in parts:
            row += [part, column(self._end)]
        ids = tf.concat(row, axis=1).to_tensor(0, shape=[None, self._length])
        return tf.ensure_shape(ids, [None, self._length])


@lru_cache(maxsize=8)
def graph(tokenizer: str) -> GraphTokenizer:
    """The function of a tokenizer's JSON, made once in a process."""
    return GraphTokenizer(tokenizer)


def _stop_words(content: dict[str, object]) -> list[str]:
    splitter: dict[str, list[dict[str, dict[str, str]]]] = content["pre_tokenizer"]  # type: ignore[assignment]
    if "pretokenizers" not in splitter:
        return []
    pattern = splitter["pretokenizers"][1]["pattern"]["Regex"]
    return pattern.removeprefix(STOP[0]).removesuffix(STOP[1]).split("|")


def _cut_rows(ragged: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    import tensorflow as tf

    place = tf.range(tf.size(ragged.flat_values, tf.int64)) - tf.gather(ragged.row_starts(), ragged.value_rowids())
    kept = place < tf.gather(lengths, ragged.value_rowids())
    return tf.RaggedTensor.from_value_rowids(
        ragged.flat_values[kept], ragged.value_rowids()[kept], nrows=ragged.nrows(), validate=False
    )


def _longest_first(one: tf.Tensor, two: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Lengths of a pair's texts cut to fit, the longer one first, as the library does it."""
    import tensorflow as tf

    less = tf.minimum(one, two)
    cut = tf.where(less > room, less, tf.maximum(less, room - less))
    halves = less + cut > room
    half = tf.constant(room // 2, tf.int64)
    small, large = tf.where(halves, half, less), tf.where(halves, half + room % 2, cut)
    fits = one + two <= room
    first = tf.where(fits, one, tf.where(one > two, large, small))
    second = tf.where(fits, two, tf.where(one > two, small, large))
    return first, second
