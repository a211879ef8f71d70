"""Words cut into the pieces of a vocabulary by TensorFlow's own ops: WordPiece by longest match, BPE by merges.

Free of tables with state, which would have to be made outside of the function that uses them: a word is found among
the sorted hashes of the vocabulary, and compared with what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

_BUCKETS = 2**62


class Lookup:
    """Strings to numbers; what is not known to -1."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        """Args: numbers: of each string."""
        import tensorflow as tf

        with tf.init_scope():
            strings = tf.constant(list(numbers) or [""])
            hashes = tf.strings.to_hash_bucket_fast(strings, _BUCKETS).numpy()
        order = np.argsort(hashes, kind="stable")
        assert len(np.unique(hashes)) == len(hashes), "two pieces with the same hash"
        self._hashes = hashes[order]
        self._strings = np.array([text.encode() for text in numbers] or [b""], object)[order]
        self._numbers = np.array(list(numbers.values()) or [-1], np.int32)[order]

    def __call__(self, strings: tf.Tensor) -> tf.Tensor:
        """string [n] to int32 [n]."""
        import tensorflow as tf

        found = tf.searchsorted(self._hashes, tf.strings.to_hash_bucket_fast(strings, _BUCKETS))
        found = tf.minimum(found, len(self._hashes) - 1)
        same = tf.gather(tf.constant(self._strings), found) == strings
        return tf.where(same, tf.gather(tf.constant(self._numbers), found), -1)


@dataclass(frozen=True)
class WordPiece:
    """Each word begins with the longest piece that it can, and so on; a word of which a part is no piece is unknown.

    Source: Schuster and Nakajima 2012; Devlin et al. 2019.
    """

    lookup: Lookup
    prefix: str
    longest: int
    most: int
    unknown: int

    def __call__(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Codes int32 [words, (characters)] to ids int32 [words, (pieces)]."""
        import tensorflow as tf

        whole = self.lookup(tf.strings.unicode_encode(words, "UTF-8"))
        short = words.row_lengths() <= self.most
        whole = tf.where(short, whole, self.unknown)
        cut = self._cut(tf.ragged.boolean_mask(words, whole < 0))
        given = tf.RaggedTensor.from_tensor(tf.boolean_mask(whole, whole >= 0)[:, tf.newaxis])
        places = tf.concat([tf.where(whole < 0)[:, 0], tf.where(whole >= 0)[:, 0]], 0)
        return tf.gather(tf.concat([cut, given], 0), tf.argsort(places))

    def _cut(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Words that are no piece as a whole: first, at each character, the longest piece that begins there."""
        import tensorflow as tf

        ends = tf.repeat(words.row_splits[1:], words.row_lengths())
        begins = tf.repeat(words.row_splits[:-1], words.row_lengths())
        place = tf.range(tf.size(words.flat_values, tf.int64))
        letters = tf.strings.unicode_encode(words.flat_values[:, tf.newaxis], "UTF-8")
        text = tf.where(place == begins, "", self.prefix)
        reach, ids = tf.zeros_like(place), tf.fill(tf.shape(place), -1)
        for size in range(1, self.longest + 1):
            inside = place + size <= ends
            text = tf.strings.join([text, tf.gather(letters, tf.where(inside, place + size - 1, place))])
            found = self.lookup(text)
            better = inside & (found >= 0)
            reach = tf.where(better, tf.constant(size, tf.int64), reach)
            ids = tf.where(better, found, ids)
        taken = _followed(words.row_splits[:-1], place + reach, ends, reach > 0)
        bad = tf.math.unsorted_segment_max(tf.cast(taken & (reach == 0), tf.int32), words.value_rowids(), words.nrows())
        known = tf.gather(bad, words.value_rowids()) < 1
        # An unknown word is one piece: its first character stands for it.
        kept = tf.where(known, taken, place == begins)
        return tf.RaggedTensor.from_value_rowids(
            tf.where(known, ids, self.unknown)[kept], words.value_rowids()[kept], nrows=words.nrows(), validate=False
        )


def _followed(starts: tf.Tensor, after: tf.Tensor, ends: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Which characters are reached from the words' first ones, bool [characters]: each leads to the one `after` it."""
    import tensorflow as tf

    size = tf.size(after, tf.int64)
    grown = tf.reduce_max(tf.concat([tf.ones([1], tf.int64), ends], 0))

    def mark(taken: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        return taken | (tf.math.unsorted_segment_sum(tf.ones_like(places), places, grown) > 0)

    def step(taken: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.boolean_mask(places, tf.gather(known, places))
        ahead = tf.gather(after, places)
        ahead = tf.boolean_mask(ahead, ahead < tf.gather(ends, places))
        return mark(taken, ahead), ahead

    taken = mark(tf.fill([grown], False), starts)
    taken, _ = tf.while_loop(
        lambda _, places: tf.size(places) > 0,
        step,
        (taken, starts),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None])),
    )
    return taken[:size]


@dataclass(frozen=True)
class Merges:
    """Byte-pair encoding: of a word's characters the pair learned first is joined, and so on (Sennrich et al. 2016)."""

    lookup: Lookup
    prefix: str
    unknown: int
    # Sorted: first * 2**32 + second of each pair; with the number of the merge; and what comes of it, by its number.
    pairs: NDArray[np.int64]
    ranks: NDArray[np.int32]
    joined: NDArray[np.int32]

    def __call__(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Codes int32 [words, (characters)] to ids int32 [words, (pieces)]."""
        import tensorflow as tf

        begins = tf.repeat(words.row_splits[:-1], words.row_lengths())
        letters = tf.strings.unicode_encode(words.flat_values[:, tf.newaxis], "UTF-8")
        first = tf.range(tf.size(letters, tf.int64)) == begins
        ids = self.lookup(tf.strings.join([tf.where(first, "", self.prefix), letters]))
        ids = tf.where(ids < 0, self.unknown, ids)
        none = len(self.joined)

        def ranks(ids: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            """Of each piece and the next one; `none` where they are not joined."""
            pair = tf.cast(ids[:-1], tf.int64) * 2**32 + tf.cast(ids[1:], tf.int64)
            found = tf.minimum(tf.searchsorted(self.pairs, pair), len(self.pairs) - 1)
            same = (tf.gather(self.pairs, found) == pair) & (rows[1:] == rows[:-1])
            return tf.concat([tf.where(same, tf.gather(self.ranks, found), none), [none]], 0)[: tf.size(ids)]

        def step(ids: tf.Tensor, rows: tf.Tensor, rank: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Joins the best pair of each word, the first if it stands there several times."""
            best = tf.gather(tf.math.unsorted_segment_min(rank, rows, words.nrows()), rows)
            place = tf.range(tf.size(ids))
            chosen = tf.where((rank == best) & (rank < none), place, tf.size(ids))
            joins = place == tf.gather(tf.math.unsorted_segment_min(chosen, rows, words.nrows()), rows)
            ids = tf.where(joins, tf.gather(self.joined, tf.minimum(rank, none - 1)), ids)
            kept = ~tf.concat([[False], joins[:-1]], 0)[: tf.size(ids)]
            ids, rows = ids[kept], rows[kept]
            return ids, rows, ranks(ids, rows)

        rows = words.value_rowids()
        if none:
            any_size = tf.TensorShape([None])
            ids, rows, _ = tf.while_loop(
                lambda ids, rows, rank: tf.reduce_any(rank < none),
                step,
                (ids, rows, ranks(ids, rows)),
                shape_invariants=(any_size, any_size, any_size),
            )
        return tf.RaggedTensor.from_value_rowids(ids, rows, nrows=words.nrows(), validate=False)


def of(model: Mapping[str, Any]) -> WordPiece | Merges:
    """The cutter of the part `model` of a tokenizer's JSON."""
    vocabulary, prefix = model["vocab"], model["continuing_subword_prefix"] or ""
    unknown = vocabulary[model["unk_token"]]
    if model["type"] == "WordPiece":
        longest = max(len(piece.removeprefix(prefix)) for piece in vocabulary)
        most = model["max_input_chars_per_word"]
        return WordPiece(Lookup(vocabulary), prefix, min(longest, most), most, unknown)
    merges = [tuple(pair) for pair in model["merges"]]
    pairs = np.array([vocabulary[one] * 2**32 + vocabulary[two] for one, two in merges], np.int64)
    joined = np.array([vocabulary[one + two.removeprefix(prefix)] for one, two in merges], np.int32)
    order = np.argsort(pairs)
    return Merges(Lookup(vocabulary), prefix, unknown, pairs[order], order.astype(np.int32), joined)
