"""Augmentation of waveforms: pure, stateless, seeded; what an example becomes depends on its own seed alone.

In the order in which things happen to a sound: who speaks how (speed, pitch), when (shift), in which room (reverb),
beside what (noise), what of it gets lost (SpecAugment), and how loud it arrives (gain). Lengths are shares of the
clip, as a policy does not know the sample rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from modelmill.data import augment_random

if TYPE_CHECKING:
    from modelmill.data.modalities.audio.config import AudioPolicy, Noise, SpecAugment

# Samples of the two grains of which a change of pitch is made: long enough for the periods of a low voice.
GRAINS = (256, 1024)
# Reverberation begins so many samples after the sound itself, and is 0 to 15 dB softer.
PREDELAY, DRIEST = 32, 15.0
# A mask of frequencies is measured on a scale like mel's at 16 kHz: ln(1 + 11.4 f), f a share of the highest one.
WARP = 11.4
# Samples over which a gap in time opens and closes; else there would be clicks.
RAMP = 32


def augment(samples: tf.Tensor, seeds: tf.Tensor, policy: AudioPolicy) -> tf.Tensor:
    """Changes each waveform as its seed and the policy say.

    Args:
      samples: int16 [batch, samples]; all but the batch must be known.
      seeds: int64 [batch, 2].
      policy: what is done and how much; at strength 0 the samples are given back.

    Returns:
      Of the same shape.
    """
    policy = policy.per_example()
    if not policy.changes():
        return samples
    key, strength = augment_random.keys(seeds), policy.strength
    waves = tf.cast(samples, tf.float32)
    if policy.speed or policy.shift:
        speed = 1 + augment_random.signed(key, "speed") * (strength * policy.speed)
        waves = move(waves, speed, augment_random.signed(key, "shift") * (strength * policy.shift))
    if policy.pitch:
        semitones = augment_random.signed(key, "pitch") * (strength * policy.pitch)
        waves = bend(waves, tf.cast(2.0, tf.float64) ** (semitones / 12))
    if policy.reverb:
        waves = reverberate(waves, key, policy.reverb, strength)
    if policy.noise:
        waves = add_noise(waves, key, policy.noise, strength)
    if policy.specaugment:
        waves = mask(waves, key, policy.specaugment, strength)
    if policy.gain:
        waves *= _column(10 ** (augment_random.signed(key, "gain") * (strength * policy.gain) / 20))
    return tf.cast(tf.clip_by_value(tf.round(waves), -32768.0, 32767.0), tf.int16)


def move(waves: tf.Tensor, speed: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Speed perturbation (Ko et al., 2015: Audio Augmentation for Speech Recognition) and a shift, in one resampling.

    Args:
      waves: float32 [batch, samples].
      speed: a factor, [batch]: tempo and pitch rise with it; the middle of the clip stays where it is.
      shift: share of the clip by which everything comes later, [batch]. Silence takes the place of what is not known.
    """
    size = waves.shape[1]
    places = tf.range(size, dtype=tf.float64) - (size - 1) / 2
    later = shift * size
    return _at(waves, (places - later[:, tf.newaxis]) * speed[:, tf.newaxis] + (size - 1) / 2)


def bend(waves: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """A change of pitch that keeps the tempo: resampled grains, blended (Zölzer, 2011: DAFX, ch. 6, delay lines).

    Two heads read the wave `factor` times as fast as it passes; each is faded out before it jumps back, while the
    other one is at its loudest.

    Args:
      waves: float32 [batch, samples].
      factor: of all frequencies, float64 [batch].
    """
    size = waves.shape[1]
    grain = min(max(size // 25, GRAINS[0]), GRAINS[1])
    places = tf.range(size, dtype=tf.float64)
    heads = []
    for begin in (0.0, 0.5):
        turns = places * ((factor - 1) / grain)[:, tf.newaxis] + begin
        phase = turns - tf.floor(turns)
        loudness = tf.cast(tf.sin(math.pi * phase) ** 2, tf.float32)
        heads.append(_at(waves, places + (phase - 0.5) * grain) * loudness)
    return tf.add_n(heads)


def reverberate(waves: tf.Tensor, key: tf.Tensor, longest: float, strength: float) -> tf.Tensor:
    """A room: noise that dies away exponentially (Polack, 1988; in training: Ko et al., 2017) is added as echoes.

    Args:
      waves: float32 [batch, samples].
      key: of each example.
      longest: up to this share of the clip it takes until the echoes are 60 dB softer.
      strength: scales the echoes.
    """
    size = waves.shape[1]
    length = max(PREDELAY + 1, math.ceil(longest * size))
    decay = tf.maximum(augment_random.uniform(key, "reverb") * (longest * size), 1.0)
    times = tf.range(length, dtype=tf.float64)
    fading = tf.cast(10 ** (-3 * times / decay[:, tf.newaxis]), tf.float32)
    echoes = augment_random.normal(key, "echoes", length) * fading * tf.cast(times >= PREDELAY, tf.float32)
    loudness = 10 ** (-augment_random.uniform(key, "reverb loudness") * DRIEST / 20) * strength
    echoes *= _column(loudness) / tf.maximum(_rms(echoes) * length**0.5, 1e-6)
    whole = [2 ** math.ceil(math.log2(size + length))]
    spectrum = tf.signal.rfft(waves, whole) * tf.signal.rfft(echoes, whole)
    return waves + tf.signal.irfft(spectrum, whole)[:, :size]


def add_noise(waves: tf.Tensor, key: tf.Tensor, noise: Noise, strength: float) -> tf.Tensor:
    """Noise of any colour from white to brown, so many decibels softer than the clip; silence stays silence.

    Args:
      waves: float32 [batch, samples].
      key: of each example.
      noise: how often, and at which ratios.
      strength: scales the noise.
    """
    size = waves.shape[1]
    slope = augment_random.uniform(key, "noise colour")[:, tf.newaxis]  # of the amplitude: 0 is white, 1 brown
    white = tf.signal.rfft(augment_random.normal(key, "noise samples", size), [size])
    # Below a four-hundredth of the highest frequency (20 Hz at 16 kHz) it does not rise further.
    places = tf.maximum(tf.range(size // 2 + 1, dtype=tf.float64), max(1.0, size / 800))
    colour = tf.cast(tf.exp(-slope * tf.math.log(places)), tf.float32)
    found = tf.signal.irfft(white * tf.complex(colour, 0.0), [size])
    ratio = noise.quietest + augment_random.uniform(key, "noise ratio") * (noise.loudest - noise.quietest)
    factor = tf.where(augment_random.uniform(key, "noise") < noise.probability, 10 ** (-ratio / 20) * strength, 0.0)
    return waves + found * (_column(factor) * _rms(waves) / tf.maximum(_rms(found), 1e-9))


def mask(waves: tf.Tensor, key: tf.Tensor, config: SpecAugment, strength: float) -> tf.Tensor:
    """SpecAugment (Park et al., 2019), on the waveform: bands are filtered out, and gaps are cut.

    The paper masks the features of a model and sets them to their mean; here what is masked is silent, so that it
    can be heard, written down, and works with every front-end.

    Args:
      waves: float32 [batch, samples].
      key: of each example.
      config: how many and how wide.
      strength: scales the widths.
    """
    size = waves.shape[1]
    if config.frequency:
        scale = tf.math.log1p(WARP * tf.range(size // 2 + 1, dtype=tf.float64) / (size // 2)) / math.log1p(WARP)
        kept = tf.ones([1, size // 2 + 1], tf.float32)
        for number in range(config.masks):
            begin, end = _span(key, f"frequency mask {number}", config.frequency * strength)
            kept *= tf.cast((scale < begin) | (scale >= end), tf.float32)
        waves = tf.signal.irfft(tf.signal.rfft(waves, [size]) * tf.complex(kept, 0.0), [size])
    if config.time:
        places = tf.range(size, dtype=tf.float64)
        for number in range(config.masks):
            begin, end = _span(key, f"time mask {number}", config.time * strength)
            inside = tf.minimum(places - begin * size, end * size - places)
            waves *= tf.cast(1 - tf.clip_by_value(inside / RAMP, 0.0, 1.0), tf.float32)
    return waves


def _span(key: tf.Tensor, name: str, widest: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Begin and end of a part of [0, 1] that is at most so wide, float64 [batch, 1] each."""
    width = augment_random.uniform(key, f"{name} width") * widest
    begin = augment_random.uniform(key, f"{name} place") * (1 - width)
    return begin[:, tf.newaxis], (begin + width)[:, tf.newaxis]


def _at(waves: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Waves float32 [batch, samples] at places between samples, float64 [batch, any]; beyond the ends is silence.

    By the cubic through four neighbours (Catmull and Rom, 1974).
    """
    size = waves.shape[1]
    # Far outside all four neighbours are zeros of the padding.
    places = tf.clip_by_value(places, -3.0, size + 2.0)
    before = tf.floor(places)
    rest = tf.cast(places - before, tf.float32)
    start = tf.cast(before, tf.int32) + 4
    padded = tf.pad(waves, [[0, 0], [5, 5]])
    a, b, c, d = (tf.gather(padded, start + step, batch_dims=1) for step in range(4))
    return b + 0.5 * rest * (c - a + rest * (2 * a - 5 * b + 4 * c - d + rest * (3 * (b - c) + d - a)))


def _rms(waves: tf.Tensor) -> tf.Tensor:
    """Root of the mean square, [batch, 1]."""
    return tf.sqrt(tf.reduce_mean(waves**2, axis=1, keepdims=True))


def _column(values: tf.Tensor) -> tf.Tensor:
    """[batch] to float32 [batch, 1]."""
    return tf.cast(values, tf.float32)[:, tf.newaxis]
