"""What a tokenizer does with each character, as tables: read off the library itself, looked up by TensorFlow.

Cleaning, decomposing, dropping accents, lower-casing and splitting look at one character at a time; only the order
of combining marks depends on neighbours. So a table of all characters is the whole of it.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

# Classes of a character: part of a word, a word by itself, a space.
IN_WORD, ALONE, SPACE = 0, 1, 2
CODES, BLOCK = 0x110000, 256
# Every character that has a meaning lies in one of these; of the rest one speaks for its plane.
_TOLD = ((0, 0xD800), (0xE000, 0x32400), (0xE0000, 0xE1000))
_PLAIN, _PRIVATE = 0x40000, 0xF0000
# Changed by no normalization.
_BETWEEN = "\u2016"


@dataclass(frozen=True)
class Characters:
    """Tables.

    Attributes:
      first, blocks: int32; blocks[first[code // 256], code % 256] is a code's entry: if not negative, what it packs
        of the character itself, which stays; else -1 - the number of a sequence that takes its place.
      starts: int32 [sequences + 1], where each begins in `values`.
      values: int32, code * 1024 + class * 256 + combining class.
      decomposes: whether combining marks are brought into their canonical order.
    """

    first: NDArray[np.int32]
    blocks: NDArray[np.int32]
    starts: NDArray[np.int32]
    values: NDArray[np.int32]
    decomposes: bool


@lru_cache(maxsize=8)
def read_off(tokenizer: str) -> Characters:
    """The tables of a tokenizer's JSON; takes about two seconds."""
    from tokenizers import Tokenizer, pre_tokenizers

    made = Tokenizer.from_str(tokenizer)
    codes = [code for begin, end in _TOLD for code in range(begin, end)] + [_PLAIN, _PRIVATE]
    codes.remove(ord(_BETWEEN))
    clean = made.normalizer.normalize_str(_BETWEEN.join(map(chr, codes))).split(_BETWEEN)
    assert len(clean) == len(codes), (len(clean), len(codes))
    packs = _Packs(pre_tokenizers.BertPreTokenizer())  # what else is there only removes words
    numbers: dict[tuple[int, ...], int] = {}
    entries = np.zeros(CODES, np.int32)
    for code, text in zip([*codes, ord(_BETWEEN)], [*clean, _BETWEEN], strict=True):
        packed = packs.of(text)
        if len(packed) == 1 and packed[0] >> 10 == code:
            entries[code] = packed[0] & 1023
        else:
            entries[code] = -1 - numbers.setdefault(packed, len(numbers))
    entries[0x32400:0xE0000] = entries[_PLAIN]
    entries[0xE1000:0xF0000] = entries[_PLAIN]
    entries[0xF0000:] = entries[_PRIVATE]
    blocks, first = np.unique(entries.reshape(-1, BLOCK), axis=0, return_inverse=True)
    starts = np.cumsum([0, *map(len, numbers)])
    values = [value for packed in numbers for value in packed]
    return Characters(
        first.reshape(-1).astype(np.int32),
        blocks.astype(np.int32),
        starts.astype(np.int32),
        np.array(values, np.int32),
        _decomposes(json.loads(tokenizer)["normalizer"]),
    )


class _Packs:
    """Packs characters with their classes, each of which it asks for once."""

    def __init__(self, splitter: Any) -> None:
        self._splitter, self._classes = splitter, dict[str, int]()

    def of(self, text: str) -> tuple[int, ...]:
        """What a character became; spaces about a single one say that it is a word by itself."""
        inner = text.strip(" ")
        if len(inner) == 1 and len(text) == 3:
            return (self._pack(inner, ALONE),)
        return tuple(self._pack(letter, self._class(letter)) for letter in text)

    def _class(self, letter: str) -> int:
        if letter not in self._classes:
            pieces = len(self._splitter.pre_tokenize_str(f"a{letter}a"))
            self._classes[letter] = {1: IN_WORD, 2: SPACE, 3: ALONE}[pieces]
        return self._classes[letter]

    def _pack(self, letter: str, kind: int) -> int:
        return ord(letter) * 1024 + kind * 256 + unicodedata.combining(letter)


def _decomposes(normalizer: dict[str, Any]) -> bool:
    steps = normalizer.get("normalizers", [normalizer])
    # BERT's own drops accents where it makes letters small, unless it is told otherwise; for that it decomposes.
    strips = [
        step["lowercase"] if step["strip_accents"] is None else step["strip_accents"]
        for step in steps
        if step["type"] == "BertNormalizer"
    ]
    return any(strips) or any(step["type"] in ("NFD", "NFKD") for step in steps)


def split(texts: tf.Tensor, tables: Characters) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Texts, string [batch], to their words.

    Returns:
      The codes of the words' characters, int32 [words, (characters)], and the number of the text of each word,
      int64 [words].
    """
    import tensorflow as tf

    decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    rows, packed = _mapped(decoded, tables)
    if tables.decomposes:
        packed = _ordered(rows, packed)
    kind = tf.bitwise.bitwise_and(tf.bitwise.right_shift(packed, 8), 3)
    before = tf.concat([tf.constant([SPACE], kind.dtype), kind[:-1]], 0)
    other = tf.concat([tf.constant([True]), rows[1:] != rows[:-1]], 0)[: tf.size(rows)]
    begins = other | (kind == ALONE) | (before[: tf.size(kind)] != IN_WORD)
    kept = kind != SPACE
    begins, rows, codes = begins[kept], rows[kept], tf.bitwise.right_shift(packed[kept], 10)
    number = tf.cumsum(tf.cast(begins, tf.int64)) - 1
    found = tf.RaggedTensor.from_value_rowids(
        codes, number, nrows=tf.reduce_sum(tf.cast(begins, tf.int64)), validate=False
    )
    return found, rows[begins]


def _mapped(decoded: tf.RaggedTensor, tables: Characters) -> tuple[tf.Tensor, tf.Tensor]:
    """Each character as its entry says: the number of its text, and what is packed, flat."""
    import tensorflow as tf

    codes, rows = decoded.flat_values, decoded.value_rowids()
    entry = tf.gather_nd(
        tf.constant(tables.blocks), tf.stack([tf.gather(tables.first, codes // BLOCK), codes % BLOCK], axis=1)
    )
    sequence = tf.maximum(-1 - entry, 0)
    starts = tf.constant(tables.starts)
    lengths = tf.where(entry < 0, tf.gather(starts, sequence + 1) - tf.gather(starts, sequence), 1)
    source = tf.repeat(tf.range(tf.size(codes)), lengths)
    place = tf.range(tf.size(source)) - tf.gather(tf.cumsum(lengths, exclusive=True), source)
    values = tf.constant([*tables.values.tolist(), 0], tf.int32)
    instead = tf.gather(values, tf.minimum(tf.gather(tf.gather(starts, sequence), source) + place, len(tables.values)))
    entry, codes = tf.gather(entry, source), tf.gather(codes, source)
    return tf.gather(rows, source), tf.where(entry < 0, instead, codes * 1024 + entry)


def _ordered(rows: tf.Tensor, packed: tf.Tensor) -> tf.Tensor:
    """Combining marks behind a character sorted by their class, stably: Unicode's canonical order."""
    import tensorflow as tf

    combining = tf.bitwise.bitwise_and(packed, 255)
    other = tf.concat([tf.constant([True]), rows[1:] != rows[:-1]], 0)[: tf.size(rows)]
    run = tf.cumsum(tf.cast((combining == 0) | other, tf.int64))
    # A mark at the very beginning of a text stands for the character that it has not got.
    key = run * 256 + tf.cast(combining, tf.int64)
    return tf.gather(packed, tf.argsort(key, stable=True))
