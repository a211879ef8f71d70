"""Augmentation of waveforms: seeded by the example, the identity at strength 0, and each change does what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.testing.specs import make_spec
from modelmill.data import modality
from modelmill.data.modalities.audio.config import AudioPolicy, Noise, SpecAugment

audio = modality.look_up("audio")

RATE, SIZE = 8000, 8000
SPEC = make_spec("audio", (SIZE,), "int16", facts={"sample_rate": RATE})
# Each alone, as strong as a user would have it.
CHANGES: dict[str, dict[str, Any]] = {
    "gain": {"gain": 10},
    "shift": {"shift": 0.2},
    "speed": {"speed": 0.2},
    "pitch": {"pitch": 4},
    "reverb": {"reverb": 0.5},
    "noise": {"noise": {"loudest": 0, "quietest": 10}},
    "specaugment": {"specaugment": {}},
}
ALL = {key: value for change in CHANGES.values() for key, value in change.items()}


def sounds(count: int = 6) -> np.ndarray:
    """Tones of 400 Hz that swell and fade, int16 [count, SIZE]."""
    time = np.arange(SIZE) / RATE
    wave = 0.4 * np.sin(2 * np.pi * 400 * time) * np.sin(np.pi * time) ** 2
    return np.repeat((wave * 32767).astype(np.int16)[np.newaxis], count, axis=0)


def seeds(count: int = 6, first: int = 0) -> tf.Tensor:
    return tf.stack(
        [tf.fill([count], tf.constant(7, tf.int64)), tf.range(first, first + count, dtype=tf.int64)], axis=1
    )


def augmented(waves: Any, own: tf.Tensor, settings: dict[str, Any]) -> tf.Tensor:
    """Return the waves of a batch, augmented."""
    batch = {SPEC.input.name: tf.convert_to_tensor(waves)}
    return audio.augment(batch, own, AudioPolicy.model_validate(settings), SPEC)[SPEC.input.name]


def changed(settings: dict[str, Any], waves: np.ndarray | None = None, first: int = 0) -> np.ndarray:
    waves = sounds() if waves is None else waves
    made = augmented(waves, seeds(len(waves), first), settings)
    assert made.dtype == tf.int16 and made.shape == waves.shape
    return made.numpy()


def peak(wave: np.ndarray) -> float:
    """The loudest frequency, hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * SIZE))) * RATE / (8 * SIZE))


def rms(wave: np.ndarray) -> Any:
    return np.sqrt(np.mean(wave.astype(float) ** 2, axis=-1))


@pytest.mark.parametrize("settings", [{}, {**ALL, "strength": 0}])
def test_nothing_asked_or_no_strength_is_the_identity(settings: dict[str, Any]) -> None:
    np.testing.assert_array_equal(changed(settings), sounds())


@pytest.mark.parametrize("name", CHANGES)
def test_a_little_strength_is_a_little_change(name: str) -> None:
    little = changed({**CHANGES[name], "strength": 1e-5})
    assert rms(little - sounds().astype(float)).max() < 0.05 * rms(sounds()[0])


@pytest.mark.parametrize("settings", [*CHANGES.values(), ALL], ids=[*CHANGES, "all"])
def test_an_example_depends_on_its_own_seed_alone(settings: dict[str, Any]) -> None:
    whole = changed(settings)
    np.testing.assert_array_equal(whole[2:3], changed(settings, sounds(1), first=2))
    np.testing.assert_array_equal(whole, changed(settings))
    assert len({one.tobytes() for one in whole}) > 1
    in_fours, in_sixes = mapped(settings, 4), mapped(settings, 6)
    np.testing.assert_array_equal(in_fours, in_sixes)
    # A graph is simplified before it runs, which may round otherwise.
    np.testing.assert_allclose(in_fours.astype(int), whole.astype(int), atol=1)


def mapped(settings: dict[str, Any], batch: int) -> np.ndarray:
    """`changed`, inside tf.data."""
    dataset = tf.data.Dataset.from_tensor_slices((sounds(), seeds())).batch(batch)
    made = dataset.map(lambda waves, own: augmented(waves, own, settings))
    return np.concatenate(list(made.as_numpy_iterator()))


@pytest.mark.parametrize("name", CHANGES)
def test_silence_stays_silence(name: str) -> None:
    assert not changed(CHANGES[name], np.zeros((3, SIZE), np.int16)).any()


def test_gain_stays_within_its_decibels_and_is_clipped() -> None:
    decibels = 20 * np.log10(rms(changed({"gain": 6})) / rms(sounds()))
    assert -6 <= decibels.min() < 0 < decibels.max() <= 6
    loud = changed({"gain": 40}, np.full((20, SIZE), 20_000, np.int16))
    assert loud.max() == 32767 and loud.min() > 0


def test_shift_moves_what_is_heard_and_lets_silence_in() -> None:
    click = np.zeros((30, SIZE), np.int16)
    click[:, SIZE // 2] = 10_000
    found = np.abs(changed({"shift": 0.25}, click).astype(int)).argmax(axis=1) / SIZE
    assert found.min() < 0.4 and found.max() > 0.6
    assert np.abs(found - 0.5).max() <= 0.2501


def test_speed_moves_the_pitch_and_the_length() -> None:
    for wave in changed({"speed": 0.2}):
        factor = peak(wave) / 400
        assert 0.79 < factor < 1.21
        loud = np.flatnonzero(np.abs(wave) > 3000)
        before = np.flatnonzero(np.abs(sounds(1)[0]) > 3000)
        assert (loud[-1] - loud[0]) * factor == pytest.approx(min(before[-1] - before[0], SIZE * factor), rel=0.03)


def test_pitch_moves_the_pitch_alone() -> None:
    found = changed({"pitch": 4})
    semitones = 12 * np.log2([peak(wave) / 400 for wave in found])
    assert -4.5 < semitones.min() < -0.5 and 0.5 < semitones.max() < 4.5
    envelope = [np.convolve(np.abs(wave.astype(float)), np.ones(800) / 800, "same") for wave in found]
    for one in envelope:
        assert abs(int(one.argmax()) - SIZE // 2) < 800  # it swells when it did
        assert np.flatnonzero(one > one.max() / 2)[0] == pytest.approx(SIZE * 0.25, abs=400)


def test_a_room_goes_on_sounding_and_dies_away() -> None:
    click = np.zeros((8, SIZE), np.int16)
    click[:, 1000] = 20_000
    found = changed({"reverb": 0.5}, click).astype(float)
    assert (np.abs(found[:, :1000]) <= 1).all(), "nothing before its cause"
    np.testing.assert_allclose(found[:, 1000], 20_000, rtol=0.01)
    early, late = rms(found[:, 1032:2000]), rms(found[:, 4000:5000])
    assert (early > 5).all() and (late < early / 3).all()


def test_noise_has_the_ratio_that_was_asked_for() -> None:
    added = changed({"noise": {"loudest": 5, "quietest": 15}}).astype(float) - sounds()
    ratio = 20 * np.log10(rms(sounds()) / rms(added))
    assert (ratio > 4.9).all() and (ratio < 15.1).all() and np.ptp(ratio) > 1
    high = np.abs(np.fft.rfft(added))[:, 2000:].mean(axis=1) / np.abs(np.fft.rfft(added))[:, 20:200].mean(axis=1)
    assert np.ptp(np.log(high)) > 1, "of different colours"


def test_noise_is_left_out_as_often_as_asked() -> None:
    many = sounds(60)
    same = (changed({"noise": {"probability": 0.5}}, many) == many).all(axis=1)
    assert 15 < same.sum() < 45


def test_masks_silence_bands_and_times() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 3000, (8, SIZE)).astype(np.int16)
    bands = changed({"specaugment": {"masks": 1, "frequency": 0.5, "time": 0}}, noise)
    lost = np.abs(np.fft.rfft(bands)) < 0.01 * np.abs(np.fft.rfft(noise)).mean()
    assert (lost.mean(axis=1) > 0.01).sum() >= 6 and lost.mean(axis=1).max() < 0.9
    times = changed({"specaugment": {"masks": 1, "frequency": 0, "time": 0.5}}, noise)
    gaps = (times == 0).mean(axis=1)
    assert gaps.max() <= 0.51 and (gaps > 0.02).sum() >= 6


def test_ranges_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"loudest \(20\) must not exceed quietest \(10\)"):
        Noise(loudest=20, quietest=10)
    with pytest.raises(ValueError, match="time"):
        SpecAugment(time=1.5)
    with pytest.raises(ValueError, match="speed"):
        AudioPolicy(speed=1)
