"""The audio modality reads what it should, refuses the rest, and TensorFlow and the client hear the same samples."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from modelmill.components.testing.specs import make_spec
from modelmill.data import modality
from modelmill.data.modalities.audio import client
from modelmill.data.spec import BadExampleError

audio = modality.look_up("audio")

CONFIG = audio.Config(path="somewhere", sample_rate=8000, seconds=0.5)
SPEC = make_spec("audio", (4000,), "int16", facts={"sample_rate": 4000})


def tone(rate: int = 8000, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def encoded(samples: np.ndarray, rate: int = 8000, kind: str = "WAV", **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, **options)
    return buffer.getvalue()


def samples_of(content: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_rate_and_number_of_channels_becomes_the_same_sound(kind: str, rate: int, channels: int) -> None:
    sound = np.stack([tone(rate)] * channels, axis=1)
    (found,) = audio.examples("a/x", encoded(sound, rate, kind), CONFIG)
    assert (found["rate"], found["channels"]) == (rate, channels)
    assert found["seconds"] == pytest.approx(0.5, abs=0.001)
    heard = samples_of(bytes(found["audio"])) / 32768  # type: ignore[arg-type]
    assert len(heard) == pytest.approx(4000, abs=2)
    middle = slice(500, 3500)  # the ends of what was resampled ring
    tolerance = 0.03 if kind == "OGG" else 0.005
    np.testing.assert_allclose(heard[middle], tone()[middle], atol=tolerance)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT"])
def test_wav_of_any_depth_is_read_and_16_bits_are_kept_as_they_are(subtype: str) -> None:
    exact = (tone() * 32767).astype(np.int16)
    (found,) = audio.examples("a/x", encoded(exact / 32768, subtype=subtype), CONFIG)
    heard = samples_of(bytes(found["audio"]))  # type: ignore[arg-type]
    if subtype == "PCM_16":
        np.testing.assert_array_equal(heard, exact)
    np.testing.assert_allclose(heard, exact, atol=257)


def test_opposite_channels_are_averaged_and_loud_floats_clipped() -> None:
    (found,) = audio.examples("a/x", encoded(np.stack([tone(), -tone()], axis=1)), CONFIG)
    assert not samples_of(bytes(found["audio"])).any()  # type: ignore[arg-type]
    (found,) = audio.examples("a/x", encoded(np.array([3.0, -3.0, 0.0]), subtype="FLOAT"), CONFIG)
    np.testing.assert_array_equal(samples_of(bytes(found["audio"])), [32767, -32768, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("riff", [0, 44, 99_999_999, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("data", [1600, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_whose_header_is_wrong_about_sizes_is_read_as_far_as_it_goes(riff: int, data: int) -> None:
    exact = (tone(seconds=0.1) * 32767).astype(np.int16)
    content = bytearray(encoded(exact / 32768))
    content[4:8], content[40:44] = riff.to_bytes(4, "little"), data.to_bytes(4, "little")
    (found,) = audio.examples("a/x", bytes(content), CONFIG)
    np.testing.assert_array_equal(samples_of(bytes(found["audio"])), exact)  # type: ignore[arg-type]


def test_odd_rates_sound_the_same_and_take_no_longer() -> None:
    (found,) = audio.examples("a/x", encoded(tone(44_101), 44_101), CONFIG)
    heard = samples_of(bytes(found["audio"])) / 32768  # type: ignore[arg-type]
    np.testing.assert_allclose(heard[500:3500], tone()[500:3500], atol=0.005)


LONG = np.random.default_rng(0).normal(0, 0.1, 40_000)
BAD = {
    "empty file": (b"", "no WAV, FLAC or OGG file"),
    "text": (b"no audio" * 20, "no WAV, FLAC or OGG file"),
    "aiff": (encoded(tone(), kind="AIFF"), "a AIFF file; allowed are WAV, FLAC and OGG"),
    "a rate that no recorder has": (
        encoded(tone())[:24] + b"\xff\xff\xff\x0f" + encoded(tone())[28:],
        "allowed are 50 to",
    ),
    "no samples": (encoded(np.zeros(0)), "it holds no sample"),
    "truncated wav": (encoded(LONG)[:30_000], "its end is missing"),
    "truncated flac": (encoded(LONG, kind="FLAC")[:30_000], "its end is missing|can be decoded"),
    "truncated ogg": (encoded(LONG, kind="OGG")[:9_000], "its end is missing|can be decoded"),
    "not a number": (encoded(np.array([0.0, np.nan]), subtype="FLOAT"), "no finite numbers"),
    "too long": (encoded(np.zeros(8000 * 61)), r"61\.0 seconds; data\.max_seconds allows 60"),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_audio_is_refused_by_name_and_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadExampleError, match=rf"^cat/bad\.wav: .*({reason})"):
        list(audio.examples("cat/bad.wav", content, CONFIG))


def test_a_header_that_promises_hours_is_not_believed() -> None:
    """A FLAC of a few bytes whose header names so many samples that they would fill memory."""
    content = bytearray(encoded(np.zeros(8000), kind="FLAC"))
    content[21] |= 0x0F  # the number of samples, 36 bits
    content[22:26] = b"\xff" * 4
    with pytest.raises(BadExampleError, match="max_seconds allows 60"):
        list(audio.examples("a/bomb.flac", bytes(content), CONFIG))


@pytest.mark.parametrize("length", [1, 3999, 4000, 4001, 9000])
def test_tensorflow_and_the_client_crop_and_pad_alike(length: int, tmp_path: Any) -> None:
    sound = np.random.default_rng(length).normal(0, 0.2, length)
    path = tmp_path / "x.flac"
    path.write_bytes(encoded(sound, kind="FLAC"))
    (found,) = audio.examples("a/x", path.read_bytes(), CONFIG)
    heard = audio.decode(bytes(found["audio"]), CONFIG).numpy()  # type: ignore[arg-type]
    np.testing.assert_array_equal(heard, client.preprocess(path, **audio.client_config(CONFIG, SPEC)))
    assert heard.shape == (4000,) and heard.dtype == np.int16
    middle = max(length - 4000, 0) // 2 + min(length, 4000) // 2
    assert abs(heard[2000] / 32768 - sound[middle]) < 1e-4 or length % 2


def test_a_stored_input_is_read_back_bit_by_bit() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, (3, 4000)).astype(np.int16)
    samples[0, :2] = -32768, 32767
    stored = tf.stack([audio.encode(one)["audio"] for one in samples])
    np.testing.assert_array_equal(audio.from_transformed({"audio": stored}, SPEC), samples)


def test_the_served_graph_refuses_another_rate() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="the sample rate must be the model's"):
        audio.decode(encoded(tone(16000), 16000), CONFIG)


def test_people_get_a_wav_to_listen_to() -> None:
    media, content = audio.show(tf.cast(tone() * 32767, tf.int16), CONFIG)
    assert media == "audio/wav" and len(samples_of(content)) == 4000


def test_max_seconds_must_not_be_less_than_seconds() -> None:
    with pytest.raises(ValueError, match=r"max_seconds \(1\) must not be less than seconds \(2\)"):
        audio.Config(path="x", seconds=2, max_seconds=1)
