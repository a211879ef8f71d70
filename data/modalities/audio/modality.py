"""Audio: WAV, FLAC and OGG files in one folder per class, of any length, sample rate and number of channels.

Ingest decodes each file and keeps it as a canonical WAV (16 bits, one channel, `sample_rate`): what TensorFlow's own
decoder takes, so that the served SavedModel takes raw input too. Transformed examples hold a WAV of `seconds`, the
middle of what is longer; so augmentation acts on the waveform, and the spectrum is computed within the model.
"""

from __future__ import annotations

import io
import itertools
import wave
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from modelmill.data.batch import Batch
from modelmill.data.modalities.audio.config import AudioConfig, AudioPolicy
from modelmill.data.modalities.audio.facts import AudioFacts
from modelmill.data.modality import Described, Modality
from modelmill.data.readers import tfrecords
from modelmill.data.spec import LABEL, BadExampleError, Features, Spec, TensorSpec
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.profiling.draft import Asked, Draft
    from modelmill.data.profiling.fingerprints import Fingerprint

# Of what TensorFlow and the standard library write before 16-bit samples, and the value of full scale.
HEADER, FULL = 44, 32768.0
# Of a sound's fingerprint.
PARTS, BANDS = 16, 16


class Audio(Modality[AudioConfig]):
    """Sounds; the model takes int16 samples [samples]."""

    Config, Policy, Facts = AudioConfig, AudioPolicy, AudioFacts
    PATTERN = "*/*"
    DESCRIBED = ("audio", LABEL, "seconds", "rate", "channels")
    INPUT = "audio"
    CLIENT = "modelmill.data.modalities.audio.client"
    SUFFIXES = (".wav", ".flac", ".ogg")

    def examples(self, path: str, contents: bytes, config: AudioConfig) -> Iterator[Features]:
        """One sound a file, as a canonical WAV; what is told of it is the original file's."""
        from modelmill.data.modalities.audio import client as audio

        try:
            samples, told = audio.decode(path, contents, config.sample_rate, config.max_seconds)
        except audio.NotAudioError as error:
            raise BadExampleError(str(error)) from error
        yield {"audio": _wav(samples.tobytes(), config.sample_rate), **told}

    def stream_pattern(self, config: AudioConfig) -> str:
        """Return the field `files`."""
        return config.files

    def stream(self, path: str, name: str, config: AudioConfig, split: SplitConfig) -> Iterator[Features]:
        """Yield the examples of TFRecords."""
        return tfrecords.stream(path, name, config, split)

    def columns(self, config: AudioConfig) -> dict[str, str]:
        """Return the further features of TFRecords, all of them strings."""
        return tfrecords.columns(config)

    def preprocess(self, inputs: dict[str, tf.Tensor], config: AudioConfig) -> dict[str, tf.Tensor]:
        """audio string (WAV) -> audio string (WAV of config.samples)."""
        import tensorflow as tf

        encoded = tf.reshape(inputs["audio"], [-1])
        samples = tf.map_fn(lambda one: _decode(one, config), encoded, fn_output_signature=tf.int16)
        samples = tf.ensure_shape(samples, [None, config.samples])
        return {
            "audio": tf.map_fn(lambda one: _encode(one, config.sample_rate), samples, fn_output_signature=tf.string)
        }

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: AudioConfig) -> Described:
        """Samples are scaled to [-1, 1] by a constant, whatever the train split."""
        return self.expected(config)

    def expected(self, config: AudioConfig) -> Described:
        """All of it is known beforehand."""
        samples = TensorSpec(
            name="audio", shape=(config.samples,), dtype="int16", mean=(0.0,), stddev=(FULL,), role="time"
        )
        return (samples,), AudioFacts(sample_rate=config.sample_rate)

    def features(self, spec: Spec) -> dict[str, Any]:
        """A WAV."""
        import tensorflow as tf

        return {"audio": tf.io.FixedLenFeature([], tf.string)}

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Transformed features to samples int16 [batch, *shape]."""
        import tensorflow as tf

        # All are of one length, so what is behind the header can be read at once.
        samples = tf.strings.substr(tf.reshape(features["audio"], [-1]), HEADER, 2 * spec.input.fixed_shape[0])
        return tf.ensure_shape(tf.io.decode_raw(samples, tf.int16), [None, *spec.input.shape])

    def augment(self, batch: Batch, seeds: tf.Tensor, policy: AudioPolicy, spec: Spec) -> Batch:
        """Augments samples int16 [batch, samples]; see data/modalities/audio/augment.py."""
        from modelmill.data.modalities.audio import augment as audio

        name = spec.input.name
        return {**batch, name: audio.augment(batch[name], seeds, policy)}

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return a WAV of samples int16 [samples]. Nobody reads the rate in its header: only the samples count."""
        return {"audio": _encode(input, 16_000)}

    def decode(self, content: bytes, config: AudioConfig) -> tf.Tensor:
        """A canonical WAV to int16 [samples]."""
        import tensorflow as tf

        return _decode(tf.constant(content), config)

    def show(self, input: tf.Tensor, config: AudioConfig) -> tuple[str, bytes]:
        """A WAV."""
        return "audio/wav", _encode(input, config.sample_rate).numpy()

    def filename(self, content: bytes) -> str:
        """A raw example holds a WAV, whatever the file was."""
        return "audio.wav"

    def client_config(self, config: AudioConfig, spec: Spec) -> dict[str, Any]:
        """What the reference client resamples to, and how many samples it hands over."""
        return {"sample_rate": config.sample_rate, "samples": config.samples}

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint:
        """Return which band gets louder from part to part of the sound, and the bands' energies in these parts."""
        import numpy as np

        from modelmill.data.profiling import fingerprints

        with wave.open(io.BytesIO(bytes(example["audio"]))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
        samples = np.pad(samples, (0, max(0, PARTS * 64 - len(samples))))
        spectra = [np.abs(np.fft.rfft(part)) ** 2 for part in np.array_split(samples, PARTS)]
        edges = np.geomspace(1, min(len(spectrum) for spectrum in spectra), BANDS + 1).astype(int).tolist()
        bands = list(itertools.pairwise(edges))
        energies = np.log1p([[part[low : max(high, low + 1)].mean() for low, high in bands] for part in spectra])
        energies = energies - energies.max()  # as loud as another recording of the same
        rises = fingerprints.bits(np.diff(np.round(energies, 1), axis=0))
        return fingerprints.Fingerprint(rises, energies.astype(np.float32).ravel())

    def draft(self, asked: Asked) -> Draft:
        """Draft an experiment; see data/modalities/audio/draft.py."""
        from modelmill.data.modalities.audio import draft

        return draft.draft(asked)


def _wav(samples: bytes, rate: int) -> bytes:
    """16-bit samples, little-endian, of one channel to a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def _decode(encoded: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """A WAV file of 16 bits, a scalar, to int16 [config.samples]. Fails on another sample rate."""
    import tensorflow as tf

    decoded, rate = tf.audio.decode_wav(encoded)
    same = tf.debugging.assert_equal(rate, config.sample_rate, "the sample rate must be the model's; resample the file")
    with tf.control_dependencies([same] if same is not None else []):
        mono = tf.reduce_mean(decoded, axis=1)
    samples = tf.cast(tf.clip_by_value(tf.round(mono * FULL), -FULL, FULL - 1), tf.int16)
    start = tf.maximum(tf.shape(samples)[0] - config.samples, 0) // 2
    samples = samples[start : start + config.samples]
    missing = config.samples - tf.shape(samples)[0]
    padded = tf.pad(samples, [[missing // 2, missing - missing // 2]])
    return tf.ensure_shape(padded, [config.samples])


def _encode(samples: tf.Tensor, rate: int) -> tf.Tensor:
    """int16 [samples] to a WAV file: nothing is lost."""
    import tensorflow as tf

    return tf.audio.encode_wav(tf.cast(samples, tf.float32)[:, tf.newaxis] / FULL, rate)
