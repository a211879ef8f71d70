"""The spectrum of a waveform, in operations that LiteRT has, too: one function in training, serving and on a device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

# Added to energies: above what 16-bit samples hold of noise, so that silence is one value, not its rounding.
FLOOR = 1e-6
# Features are (ln energy + OFFSET) / SCALE: about -2.5 for silence, 3.5 for a tone of full scale.
OFFSET, SCALE = 4.0, 4.0
# Frames are put together of so many slices at most; if it took more, they are gathered by a table.
SLICES = 16
# Steps of the bands' weights: fine enough for a logarithm, and a packed file is smaller.
STEPS = 8192


@tf_keras.utils.register_keras_serializable(package="modelmill")
class Spectrum(tf_keras.layers.Layer):
    """Waveforms float32 [batch, samples] in [-1, 1] to float32 [batch, frames, features]; it has no weights.

    Each frame is multiplied by a Hann window, padded with zeros to a power of two, and transformed; the energies of
    its frequencies are added up in triangular bands on HTK's mel scale (mel = 1127 ln(1 + f / 700)), and their
    logarithms scaled by constants to a range about 0. With coefficients: the first of their orthonormal DCT-II
    instead. It computes in float32 whatever the model computes in.

    Args:
      sample_rate: hertz.
      window: samples of a frame.
      hop: samples from frame to frame. Samples behind the last whole frame are not looked at.
      bands: of the mel scale.
      low: hertz, where the lowest band begins.
      high: hertz, where the highest ends.
      coefficients: of the DCT; 0 gives the logarithms of the bands themselves.
      center: subtract the mean over the frames.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        window: int,
        hop: int,
        bands: int,
        low: float,
        high: float,
        coefficients: int = 0,
        center: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        self._settings: dict[str, Any] = {
            "sample_rate": sample_rate,
            "window": window,
            "hop": hop,
            "bands": bands,
            "low": low,
            "high": high,
            "coefficients": coefficients,
            "center": center,
        }
        self._window, self._hop, self._center = window, hop, center
        self._size = 2 ** math.ceil(math.log2(max(window, 2)))
        # Periodic, as all that analyses spectra has it.
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
        self._bands = bands
        self._first, self._between, self._rising = mel_bands(sample_rate, self._size, bands, low, high)
        self._dct = dct(bands, coefficients) if coefficients else None

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), **self._settings}

    def call(self, waves: tf.Tensor) -> tf.Tensor:
        """Frame, transform, sum up, take the logarithm."""
        spectra = tf.signal.rfft(self._frames(waves) * self._hann, [self._size])
        energies = tf.math.real(spectra) ** 2 + tf.math.imag(spectra) ** 2
        features = (tf.math.log(self._summed(energies) + FLOOR) + OFFSET) / SCALE
        if self._dct is not None:
            features = tf.matmul(features, self._dct)
        if self._center:
            features -= tf.reduce_mean(features, axis=1, keepdims=True)
        return features

    def _summed(self, energies: tf.Tensor) -> tf.Tensor:
        """float32 [batch, frames, frequencies] to [batch, frames, bands].

        Between two edges lies the falling side of one triangle and the rising side of the next; as a matrix they would
        be zeros for the most part, and the largest constant of a small flatbuffer.
        """
        within = energies[:, :, self._first : self._first + len(self._between)]
        first = tf.transpose(within, [2, 0, 1])
        rising = first * self._rising[:, np.newaxis, np.newaxis]
        up, down = (
            tf.math.unsorted_segment_sum(part, self._between, self._bands + 1) for part in (rising, first - rising)
        )
        return tf.transpose(up[:-1] + down[1:], [1, 2, 0])

    def _frames(self, waves: tf.Tensor) -> tf.Tensor:
        """float32 [batch, samples] to [batch, frames, window]."""
        count = (waves.shape[1] - self._window) // self._hop + 1
        block = math.gcd(self._window, self._hop)
        steps, parts = self._hop // block, self._window // block
        if parts > SLICES:
            return tf.gather(waves, np.arange(count)[:, np.newaxis] * self._hop + np.arange(self._window), axis=1)
        # Of blocks without overlap; a table of all places would make every flatbuffer larger.
        length = ((count - 1) * steps + parts) * block
        blocks = tf.reshape(waves[:, :length], [-1, length // block, block])
        last = (count - 1) * steps + 1
        return tf.concat([blocks[:, part : part + last : steps] for part in range(parts)], axis=2)


def mel_bands(
    sample_rate: int, size: int, bands: int, low: float, high: float
) -> tuple[int, NDArray[np.int32], NDArray[np.float32]]:
    """Triangles that are equally wide on the mel scale, each of which begins in the middle of the one before it.

    Returns:
      The first frequency (of size // 2 + 1) within them; of it and those behind it, between which of the bands + 2
      edges each lies, and its weight in the triangle that rises there; that falls by the same there.
    """

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    places = mel(np.arange(size // 2 + 1) * (sample_rate / size))
    edges = np.linspace(mel(low), mel(high), bands + 2)
    inside = (places >= edges[0]) & (places < edges[-1])
    inside[0] = False  # a constant offset is no sound
    (found,) = np.nonzero(inside)
    if not len(found):
        return 1, np.zeros(1, np.int32), np.zeros(1, np.float32)
    between = np.searchsorted(edges, places[found], side="right") - 1
    rising = (places[found] - edges[between]) / (edges[1] - edges[0])
    return int(found[0]), between.astype(np.int32), (np.rint(rising * STEPS) / STEPS).astype(np.float32)


def dct(bands: int, coefficients: int) -> NDArray[np.float32]:
    """The first columns of the orthonormal DCT-II: float32 [bands, coefficients]."""
    angles = np.pi / bands * (np.arange(bands)[:, np.newaxis] + 0.5) * np.arange(coefficients)
    weights = np.cos(angles) * np.sqrt(2 / bands)
    weights[:, 0] /= np.sqrt(2)
    return np.asarray(weights, np.float32)
