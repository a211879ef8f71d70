"""The front-end of waveforms: the textbook's figures, and float32 whatever is done to the model behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import tensorflow as tf
import tf_keras
from ai_edge_litert import schema_py_generated as schema

from modelmill.components.models import family
from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.blocks.audio_frontend import FrontEnd
from modelmill.components.models.export import saved_model
from modelmill.components.models.families import conv1d
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.models.layers import spectrum
from modelmill.components.testing.specs import make_spec

RATE, SAMPLES = 8000, 4000
SPEC = make_spec("audio", (SAMPLES,), "int16", ("a", "b"), {"sample_rate": RATE}, mean=(0.0,), stddev=(32768.0,))
SMALL = conv1d.Conv1dConfig(filters=(8, 8), separable=True)


def waves(count: int = 3) -> np.ndarray:
    """Chirps with noise, float32 [count, SAMPLES]."""
    random, time = np.random.default_rng(0), np.arange(SAMPLES) / RATE
    chirps = [scipy.signal.chirp(time, 100 * n + 100, time[-1], 3000) * 0.4 for n in range(count)]
    return (np.stack(chirps) + random.normal(0, 0.02, (count, SAMPLES))).astype(np.float32)


def reference(wave: np.ndarray, window: int, hop: int, bands: int, low: float, high: float) -> np.ndarray:
    """ln of the bands' energies, float64 [frames, bands], frame by frame and band by band."""
    size = 1 << (window - 1).bit_length()
    frames = [wave[start : start + window] for start in range(0, len(wave) - window + 1, hop)]
    hann = scipy.signal.get_window("hann", window)
    energies = np.abs(scipy.fft.rfft(np.array(frames, np.float64) * hann, size)) ** 2

    def mel(hertz: Any) -> Any:
        return 2595 * np.log10(1 + np.asarray(hertz) / 700)

    edges = np.linspace(mel(low), mel(high), bands + 2)
    places = mel(np.arange(size // 2 + 1) * RATE / size)
    triangles = [np.interp(places, edges[band : band + 3], [0, 1, 0], left=0, right=0) for band in range(bands)]
    return np.log(energies @ np.array(triangles).T + spectrum.FLOOR)


@pytest.mark.parametrize(("window", "hop"), [(0.03, 0.02), (0.025, 0.01), (0.032, 0.016), (0.03, 0.007)])
def test_log_mel_is_that_of_a_plain_implementation(window: float, hop: float) -> None:
    made = FrontEnd(window=window, hop=hop, bands=32, low=60, high=3800).layer(RATE, SAMPLES)
    found = made(waves()).numpy() * spectrum.SCALE - spectrum.OFFSET
    for wave, features in zip(waves(), found, strict=True):
        wanted = reference(wave, round(window * RATE), round(hop * RATE), 32, 60, 3800)
        assert features.shape == wanted.shape
        np.testing.assert_allclose(features, wanted, atol=2e-3)


def test_mfcc_are_the_orthonormal_dct_of_it() -> None:
    plain = FrontEnd(bands=32).layer(RATE, SAMPLES)(waves()).numpy()
    mfcc = FrontEnd(kind="mfcc", bands=32, coefficients=10).layer(RATE, SAMPLES)(waves()).numpy()
    np.testing.assert_allclose(mfcc, scipy.fft.dct(plain, norm="ortho")[..., :10], atol=1e-4)


def test_centred_features_do_not_tell_the_loudness() -> None:
    layer = FrontEnd(center=True).layer(RATE, SAMPLES)
    loud, soft = layer(waves()).numpy(), layer(waves() * 0.25).numpy()
    np.testing.assert_allclose(loud, soft, atol=0.1)
    np.testing.assert_allclose(loud.mean(axis=1), 0, atol=1e-5)


def test_silence_and_full_scale_stay_within_a_few_units() -> None:
    layer = FrontEnd().layer(RATE, SAMPLES)
    assert layer(tf.zeros([1, SAMPLES])).numpy().min() == pytest.approx(-2.45, abs=0.01)
    assert layer(np.sign(waves())).numpy().max() < 4


def test_it_computes_in_float32_whatever_the_model_does() -> None:
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = FrontEnd().layer(RATE, SAMPLES)
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    assert layer(waves()).dtype == tf.float32
    np.testing.assert_array_equal(layer(waves()), FrontEnd().layer(RATE, SAMPLES)(waves()))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"window": 0.9}, "examples have only 0.5"),
        ({"high": 5000}, "there is nothing above 4000"),
        ({"low": 4000}, "bands from 4000"),
    ],
)
def test_settings_that_do_not_suit_the_waveform_are_refused(settings: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FrontEnd.model_validate(settings).layer(RATE, SAMPLES)


def test_a_model_that_was_taken_apart_and_put_together_answers_alike() -> None:
    model = family.build(SMALL, SPEC)
    again = audio_frontend.join(*audio_frontend.split(model))
    np.testing.assert_array_equal(again(waves()), model(waves()))
    front, rest = audio_frontend.split(again)
    assert front is not None
    np.testing.assert_array_equal(rest(front(waves())), model(waves()))


def test_a_front_end_that_a_method_left_alone_is_found_in_the_model_it_made() -> None:
    """Pruning and clustering give the layers that they leave alone to the new model as they are."""
    model = family.build(SMALL, SPEC)

    def wrap(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        return layer if layer.name == audio_frontend.NAME else type(layer).from_config(layer.get_config())

    made = tf_keras.models.clone_model(model, clone_function=wrap)
    front, rest = audio_frontend.split(made)
    assert front is not None
    np.testing.assert_array_equal(rest(front(waves())), made(waves()))


def test_quantization_begins_behind_the_front_end(tmp_path: Path) -> None:
    """Of two sounds one is 40 dB softer: in eight bits of the waveform hardly anything of it would be left."""
    tf_keras.utils.set_random_seed(0)
    model = family.build(SMALL, SPEC)
    raw = (waves() * 32767).astype(np.int16)
    raw = np.concatenate([raw, raw // 100])
    exact = saved_model.served(model, SPEC)(raw).numpy()
    for quantize in (False, True):
        converter = saved_model.converter(model, SPEC)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize:
            converter.representative_dataset = lambda: ([one[np.newaxis]] for one in raw)
        path = tmp_path / "model.tflite"
        path.write_bytes(converter.convert())
        np.testing.assert_allclose(interpreter.Flatbuffer(path).predict_all(raw), exact, atol=0.03)
        front, behind = types(path)
        assert front == {schema.TensorType.INT16, schema.TensorType.INT32, schema.TensorType.FLOAT32, COMPLEX}
        assert schema.TensorType.INT8 in behind


COMPLEX = schema.TensorType.COMPLEX64


def types(path: Path) -> tuple[set[int], set[int]]:
    """The types of tensors before and behind the seam."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    found: tuple[set[int], set[int]] = (set(), set())
    for tensor in model.subgraphs[0].tensors:
        found[not tensor.name.startswith(b"frontend/")].add(tensor.type)
    return found


def test_constants_lie_where_readers_may_map_them(tmp_path: Path) -> None:
    content = saved_model.converter(family.build(SMALL, SPEC), SPEC).convert()
    model = schema.Model.GetRootAs(content, 0)
    whole = np.frombuffer(content, np.uint8)
    for place in range(model.BuffersLength()):
        data = model.Buffers(place).DataAsNumpy()
        if isinstance(data, np.ndarray) and data.size:
            start = data.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
            assert start % 16 == 0


def test_its_bands_are_small_beside_a_network(tmp_path: Path) -> None:
    """As a matrix of frequencies by bands they were the largest constant of all."""
    layer = FrontEnd(bands=40).layer(RATE, SAMPLES)
    waveforms = tf_keras.Input((SAMPLES,), batch_size=1)
    content = tf.lite.TFLiteConverter.from_keras_model(tf_keras.Model(waveforms, layer(waveforms))).convert()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in model.buffers]
    assert max(sizes) <= 4 * 256
