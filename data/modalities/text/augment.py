"""Augmentation of texts: pure, stateless, seeded; what a text becomes depends on its own seed and words alone.

Texts are taken apart at spaces (or into characters, for languages without spaces), changed, and put together again with
single spaces; tokens are made afterwards. Between the two texts of a pair nothing moves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from modelmill.data import augment_random
from modelmill.data.core.fetch import resolve
from modelmill.data.modalities.text import synonyms
from modelmill.data.modalities.text.tokenizer.tf_subwords import Lookup

if TYPE_CHECKING:
    from modelmill.data.modalities.text.config import TextPolicy

# What no vocabulary knows: it becomes the unknown token.
MASKED = "\ufffc"
# Stands for the tab of a pair while there are spaces about.
_TAB, _BETWEEN = "\t", "\ue001"
_LONGEST_SPAN = 3


class Words(NamedTuple):
    """Words of all texts, flat: string [words], and the number of the text of each, int64 [words], rising."""

    text: tf.Tensor
    row: tf.Tensor

    def places(self) -> tf.Tensor:
        """The place of each word in its text, int64 [words]."""
        index = tf.range(tf.size(self.row, tf.int64))
        return index - tf.searchsorted(self.row, self.row, side="left", out_type=tf.int64)

    def draw(self, keys: tf.Tensor, name: str) -> tf.Tensor:
        """A number for each word, float64 [words] in [0, 1): of its text's key, its place, and a name."""
        return augment_random.uniform(_keys(tf.gather(keys, self.row), self.places()), name)


def augment(texts: tf.Tensor, seeds: tf.Tensor, policy: TextPolicy) -> tf.Tensor:
    """Changes each text as its seed and the policy say.

    Args:
      texts: string [batch].
      seeds: int64 [batch, 2].
      policy: what is done and how much; at strength 0 the texts are given back.

    Returns:
      string [batch].
    """
    if not policy.changes():
        return texts
    keys, count = augment_random.keys(seeds), tf.size(texts, tf.int64)
    apart = tf.strings.regex_replace(texts, _TAB, f" {_BETWEEN} ")
    split = tf.strings.unicode_split(apart, "UTF-8") if policy.characters else tf.strings.split(apart)
    words = Words(split.flat_values, split.value_rowids())
    for step, share in (
        (_synonyms, policy.synonyms),
        (_noise, policy.noise),
        (_deletion, policy.deletion),
        (_swap, policy.swap),
        (_insertion, policy.insertion),
        (_masking, policy.masking),
    ):
        if share:
            words = step(words, keys, policy.strength * share, policy)
    joined = tf.strings.reduce_join(
        tf.RaggedTensor.from_value_rowids(words.text, words.row, nrows=count, validate=False),
        axis=1,
        separator="" if policy.characters else " ",
    )
    return tf.strings.regex_replace(joined, f" ?{_BETWEEN} ?", _TAB)


def _keys(keys: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Keys of their own for the numbered parts of what has keys [n]."""
    return augment_random.keys(tf.stack([tf.bitcast(keys, tf.int64), tf.cast(number, tf.int64)], axis=1))


def _free(words: Words) -> tf.Tensor:
    """Which words may be changed: not the mark between two texts, and no spaces among characters."""
    return (words.text != _BETWEEN) & (tf.strings.strip(words.text) != "")


def _deletion(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """Leaves words out, but never all of a text."""
    kept = (words.draw(keys, "deletion") >= share) | ~_free(words)
    count = tf.size(keys, tf.int64)
    some = tf.math.unsorted_segment_max(tf.cast(kept & _free(words), tf.int32), words.row, count) > 0
    kept |= ~tf.gather(some, words.row)
    return Words(words.text[kept], words.row[kept])


def _swap(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """The chosen words of a text change places among themselves."""
    chosen = tf.where((words.draw(keys, "swap") < share) & _free(words))[:, 0]
    row, place = tf.gather(words.row, chosen), tf.gather(words.draw(keys, "swap order"), chosen)
    order = tf.argsort(tf.cast(row, tf.float64) + place, stable=True)
    moved = tf.gather(words.text, tf.gather(chosen, order))
    return Words(tf.tensor_scatter_nd_update(words.text, chosen[:, tf.newaxis], moved), words.row)


def _insertion(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """Behind the chosen words stands another one of the same text, or a synonym of that."""
    chosen = (words.draw(keys, "insertion") < share) & _free(words)
    first = tf.searchsorted(words.row, words.row, side="left", out_type=tf.int64)
    end = tf.searchsorted(words.row, words.row, side="right", out_type=tf.int64)
    reach = tf.cast(end - first, tf.float64)
    source = first + tf.cast(words.draw(keys, "inserted") * reach, tf.int64)
    other = tf.gather(words.text, source)
    other = tf.where(tf.gather(_free(words), source), other, words.text)
    if policy.lexicon:
        other = _lexicon(policy.lexicon).replace(other, words.draw(keys, "inserted synonym"))
    both = tf.stack([words.text, other], axis=1)
    kept = tf.stack([tf.ones_like(chosen), chosen], axis=1)
    return Words(tf.boolean_mask(both, kept), tf.repeat(words.row, tf.cast(chosen, tf.int32) + 1))


def _masking(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """Spans of one to three words become unknown ones."""
    begins = words.draw(keys, "masking") < share / ((1 + _LONGEST_SPAN) / 2)
    length = 1 + tf.cast(words.draw(keys, "span") * _LONGEST_SPAN, tf.int64)
    reach = tf.where(begins, length, 0)
    masked = begins
    for back in range(1, _LONGEST_SPAN):
        shape = tf.minimum(tf.size(reach), back)
        before = tf.concat([tf.zeros([shape], tf.int64), reach[:-back]], 0)
        masked |= (before > back) & (words.places() >= back)
    return Words(tf.where(masked & _free(words), MASKED, words.text), words.row)


def _synonyms(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """The chosen words that the lexicon knows give way to one of theirs."""
    chosen = (words.draw(keys, "synonyms") < share) & _free(words)
    found = _lexicon(str(policy.lexicon)).replace(words.text, words.draw(keys, "synonym"))
    return Words(tf.where(chosen, found, words.text), words.row)


def _noise(words: Words, keys: tf.Tensor, share: float, policy: TextPolicy) -> Words:
    """The chosen characters are lost, doubled, exchanged with the next one, or replaced by another of the word."""
    letters = tf.strings.unicode_split(words.text, "UTF-8")
    flat, word = letters.flat_values, letters.value_rowids()
    first, end = tf.gather(letters.row_starts(), word), tf.gather(letters.row_limits(), word)
    index = tf.range(tf.size(flat, tf.int64))
    key = _keys(tf.gather(_keys(tf.gather(keys, words.row), words.places()), word), index - first)
    chosen = (augment_random.uniform(key, "noise") < share) & tf.gather(_free(words), word) & (end - first > 1)
    kind = tf.where(chosen, augment_random.chosen(key, "kind of noise", 4), -1)
    last = index + 1 >= end
    kind = tf.where((kind == 2) & last, 0, kind)
    following = tf.gather(flat, tf.minimum(index + 1, tf.maximum(tf.size(flat, tf.int64) - 1, 0)))
    reach = tf.cast(end - first, tf.float64)
    other = tf.gather(flat, first + tf.cast(augment_random.uniform(key, "other letter") * reach, tf.int64))
    # A letter that its neighbour has taken to itself is gone.
    taken = tf.concat([tf.fill([tf.minimum(tf.size(kind), 1)], False), kind[:-1] == 2], 0) & (kind != 2)
    exchanged = tf.strings.join([following, flat])
    changed = tf.where(kind == 0, "", tf.where(kind == 1, tf.strings.join([flat, flat]), flat))
    changed = tf.where(kind == 3, other, tf.where(kind == 2, exchanged, changed))
    changed = tf.where(taken, "", changed)
    together = tf.strings.reduce_join(letters.with_flat_values(changed), axis=1)
    return Words(tf.where(together == "", words.text, together), words.row)


class _Lexicon:
    """Words and their synonyms."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self._lookup = Lookup({word: number for number, word in enumerate(known)})
        self._starts = np.cumsum([0, *map(len, known.values()), 0]).astype(np.int64)
        self._others = [other for others in known.values() for other in others]

    def replace(self, words: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        """Of each word that is known one of its synonyms, by a number in [0, 1); the others stay."""
        found = self._lookup(tf.strings.lower(words, encoding="utf-8"))
        start, end = tf.gather(self._starts, tf.maximum(found, 0)), tf.gather(self._starts, tf.maximum(found, 0) + 1)
        chosen = start + tf.cast(drawn * tf.cast(end - start, tf.float64), tf.int64)
        return tf.where(found >= 0, tf.gather(tf.constant(self._others), chosen), words)


@lru_cache(maxsize=4)
def _lexicon(path: str) -> _Lexicon:
    return _Lexicon(synonyms.read(resolve.locate(path)))
