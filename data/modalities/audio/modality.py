"""Audio: WAV, FLAC and OGG files in one folder per class, of any length, sample rate and number of channels.

Ingest decodes each file and keeps it as a canonical WAV (16 bits, one channel, `sample_rate`): what TensorFlow's own
decoder takes, so that the served SavedModel takes raw input too. Transformed examples hold a WAV of `seconds`, the
middle of what is longer; so augmentation acts on the waveform, and the spectrum is computed within the model.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelmill.data.modalities.audio.config import Config as Config
from modelmill.data.modalities.audio.config import Policy as Policy
from modelmill.data.readers import tfrecords
from modelmill.data.spec import LABEL, BadExampleError, Features, Spec

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

PATTERN = "*/*"
DESCRIBED = ("audio", LABEL, "seconds", "rate", "channels")
INPUT = "audio"
CLIENT = "modelmill.data.modalities.audio.client"
# Of what TensorFlow and the standard library write before 16-bit samples, and the value of full scale.
HEADER, FULL = 44, 32768.0


# Where `files` names TFRecords, each of many examples.
stream, columns = tfrecords.stream, tfrecords.columns


def examples(path: str, contents: bytes, config: Config) -> Iterator[Features]:
    """One sound a file, as a canonical WAV; what is told of it is the original file's."""
    from modelmill.data.modalities.audio import client as audio

    try:
        samples, told = audio.decode(path, contents, config.sample_rate, config.max_seconds)
    except audio.NotAudioError as error:
        raise BadExampleError(str(error)) from error
    yield {"audio": _wav(samples.tobytes(), config.sample_rate), **told}


def _wav(samples: bytes, rate: int) -> bytes:
    """16-bit samples, little-endian, of one channel to a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def preprocess(inputs: dict[str, tf.Tensor], config: Config) -> dict[str, tf.Tensor]:
    """audio string (WAV) -> audio string (WAV of config.samples)."""
    import tensorflow as tf

    encoded = tf.reshape(inputs["audio"], [-1])
    samples = tf.map_fn(lambda one: _decode(one, config), encoded, fn_output_signature=tf.int16)
    samples = tf.ensure_shape(samples, [None, config.samples])
    return {"audio": tf.map_fn(lambda one: _encode(one, config.sample_rate), samples, fn_output_signature=tf.string)}


def _decode(encoded: tf.Tensor, config: Config) -> tf.Tensor:
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


def spec(output: tft.TFTransformOutput, example: bytes, config: Config) -> Spec:
    """Samples are scaled to [-1, 1] by a constant, whatever the train split."""
    return expected(config)


def expected(config: Config) -> Spec:
    """All of it is known beforehand."""
    return Spec(
        modality="audio",
        shape=(config.samples,),
        dtype="int16",
        mean=(0.0,),
        stddev=(FULL,),
        sample_rate=config.sample_rate,
    )


def features(spec: Spec) -> dict[str, Any]:
    """A WAV."""
    import tensorflow as tf

    return {"audio": tf.io.FixedLenFeature([], tf.string)}


def from_transformed(features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """Transformed features to samples int16 [batch, *spec.shape]."""
    import tensorflow as tf

    # All are of one length, so what is behind the header can be read at once.
    samples = tf.strings.substr(tf.reshape(features["audio"], [-1]), HEADER, 2 * spec.shape[0])
    return tf.ensure_shape(tf.io.decode_raw(samples, tf.int16), [None, *spec.shape])


def augment(inputs: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tf.Tensor:
    """Augments samples int16 [batch, samples]; see data/modalities/audio/augment.py."""
    from modelmill.data.modalities.audio import augment as audio

    return audio.augment(inputs, seeds, policy)


def mix(inputs: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tuple[tf.Tensor, tf.Tensor]:
    """There is nothing that mixes sounds: no policy asks for it."""
    return inputs, labels


def encode(input: tf.Tensor) -> dict[str, tf.Tensor]:
    """Samples int16 [samples] to a WAV. Nobody reads the rate in its header: only the samples count from here on."""
    return {"audio": _encode(input, 16_000)}


def decode(content: bytes, config: Config) -> tf.Tensor:
    """A canonical WAV to int16 [samples]."""
    import tensorflow as tf

    return _decode(tf.constant(content), config)


def show(input: tf.Tensor, config: Config) -> tuple[str, bytes]:
    """A WAV."""
    return "audio/wav", _encode(input, config.sample_rate).numpy()


def filename(content: bytes) -> str:
    """A raw example holds a WAV, whatever the file was."""
    return "audio.wav"


def client_config(config: Config, spec: Spec) -> dict[str, Any]:
    """What the reference client resamples to, and how many samples it hands over."""
    return {"sample_rate": config.sample_rate, "samples": config.samples}
