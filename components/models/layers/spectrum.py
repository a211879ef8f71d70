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
        self._mel = mel_bands(sample_rate, self._size, bands, low, high)
        self._dct = dct(bands, coefficients) if coefficients else None

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), **self._settings}

    def call(self, waves: tf.Tensor) -> tf.Tensor:
        """Frame, transform, sum up, take the logarithm."""
        spectra = tf.signal.rfft(self._frames(waves) * self._hann, [self._size])
        energies = tf.math.real(spectra) ** 2 + tf.math.imag(spectra) ** 2
        features = (tf.math.log(tf.matmul(energies, self._mel) + FLOOR) + OFFSET) / SCALE
        if self._dct is not None:
            features = tf.matmul(features, self._dct)
        if self._center:
            features -= tf.reduce_mean(features, axis=1, keepdims=True)
        return features

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


def mel_bands(sample_rate: int, size: int, bands: int, low: float, high: float) -> NDArray[np.float32]:
    """Weights of triangles, equally wide on the mel scale: float32 [size // 2 + 1, bands]."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    places = mel(np.arange(size // 2 + 1) * (sample_rate / size))[:, np.newaxis]
    edges = np.linspace(mel(low), mel(high), bands + 2)
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0  # a constant offset is no sound
    return np.asarray(weights, np.float32)


def dct(bands: int, coefficients: int) -> NDArray[np.float32]:
    """The first columns of the orthonormal DCT-II: float32 [bands, coefficients]."""
    angles = np.pi / bands * (np.arange(bands)[:, np.newaxis] + 0.5) * np.arange(coefficients)
    weights = np.cos(angles) * np.sqrt(2 / bands)
    weights[:, 0] /= np.sqrt(2)
    return np.asarray(weights, np.float32)
