"""Random numbers of an example: functions of its seed and of a name alone, so batches and other draws do not matter.

A counter-based generator (splitmix64: Steele, Lea and Flood, 2014) in plain integer arithmetic: unlike TensorFlow's
stateless ops it takes a seed for each example of a batch, and XLA fuses it with what uses the numbers.
"""

from __future__ import annotations

import zlib

import tensorflow as tf

_GOLDEN = 0x9E3779B97F4A7C15
# Places of a table of quantiles.
_STEPS = 4096


def keys(seeds: tf.Tensor) -> tf.Tensor:
    """Seeds int64 [batch, 2] to keys uint64 [batch]."""
    first, second = tf.unstack(tf.bitcast(seeds, tf.uint64), axis=1)
    return _mix64(_mix64(first + _word(_GOLDEN)) ^ second)


def uniform(key: tf.Tensor, name: str) -> tf.Tensor:
    """The number called `name`, float64 [batch] in [0, 1), of keys [batch]."""
    return tf.cast(_shift(_bits(key, name), 12), tf.float64) * 2**-52


def signed(key: tf.Tensor, name: str) -> tf.Tensor:
    """As `uniform`, in [-1, 1)."""
    return uniform(key, name) * 2 - 1


def chosen(key: tf.Tensor, name: str, count: int) -> tf.Tensor:
    """One of `count` numbers from 0 on, int32 [batch]."""
    return tf.cast(tf.floor(uniform(key, name) * count), tf.int32)


def normal(key: tf.Tensor, name: str, size: int) -> tf.Tensor:
    """`size` numbers of mean 0 and deviation 1 for each key, float32 [batch, size].

    Sums of eight random bytes: near enough to a Gaussian for noise (they end at 4.9 deviations), and exact, hence
    equal, on every machine.
    """
    start = tf.cast(_shift(_bits(key, name), 32), tf.uint32)[:, tf.newaxis]
    place = tf.cast(tf.range(size), tf.uint32)[tf.newaxis] * tf.constant(0x9E3779B9, tf.uint32)
    first = _mix32(start + place)
    second = _mix32(first ^ tf.constant(0x5851F42D, tf.uint32))
    total = tf.cast(_byte_sum(first) + _byte_sum(second), tf.float32)
    # A byte has mean 127.5 and variance (256 ** 2 - 1) / 12.
    return (total - 8 * 127.5) * (8 * (256**2 - 1) / 12) ** -0.5


def share(key: tf.Tensor, name: str, alpha: float, strength: float) -> tf.Tensor:
    """The share of the other of two examples that are mixed: of Beta(alpha, alpha) the smaller end, float64 [batch]."""
    import numpy as np
    from scipy import stats

    quantiles = stats.beta.ppf(np.arange(_STEPS + 1) / _STEPS, alpha, alpha)
    table = tf.constant(np.minimum(quantiles, 1 - quantiles), tf.float64)
    place = uniform(key, name) * _STEPS
    before = tf.cast(tf.floor(place), tf.int32)
    low, high = tf.gather(table, before), tf.gather(table, before + 1)
    return (low + (high - low) * (place - tf.floor(place))) * strength


def _bits(key: tf.Tensor, name: str) -> tf.Tensor:
    return _mix64(key + _word(zlib.crc32(name.encode()) * _GOLDEN))


def _word(value: int) -> tf.Tensor:
    return tf.constant(value % 2**64, tf.uint64)


def _mix64(x: tf.Tensor) -> tf.Tensor:
    """The finalizer of splitmix64."""
    x = (x ^ _shift(x, 30)) * _word(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _word(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _mix32(x: tf.Tensor) -> tf.Tensor:
    """The finalizer of MurmurHash3 (Appleby)."""
    x = (x ^ _shift(x, 16)) * tf.constant(0x85EBCA6B, tf.uint32)
    x = (x ^ _shift(x, 13)) * tf.constant(0xC2B2AE35, tf.uint32)
    return x ^ _shift(x, 16)


def _byte_sum(x: tf.Tensor) -> tf.Tensor:
    """The sum of the four bytes of uint32, as int32."""
    pairs = (x & 0x00FF00FF) + (_shift(x, 8) & 0x00FF00FF)
    return tf.cast((pairs & 0xFFFF) + _shift(pairs, 16), tf.int32)


def _shift(x: tf.Tensor, places: int) -> tf.Tensor:
    """To the right, zeros coming in."""
    return tf.bitwise.right_shift(x, tf.constant(places, x.dtype))
