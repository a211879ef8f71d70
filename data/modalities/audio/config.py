"""The `data` and `augment` sections of sounds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from modelmill.data import policy
from modelmill.data.core.config import Strict
from modelmill.data.readers.tfrecords import RecordsConfig


class AudioConfig(RecordsConfig):
    """Sounds are mixed to one channel, resampled to `sample_rate`, and cropped or padded to `seconds`."""

    modality: Literal["audio"] = "audio"
    sample_rate: int = Field(16_000, ge=1000, le=192_000, description="Hertz; files of other rates are resampled.")
    seconds: float = Field(1.0, gt=0, le=60, description="Of what the model hears: the middle, or zeros around it.")
    max_seconds: float = Field(60.0, gt=0, le=3600, description="A longer file is refused: it could fill memory.")

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.max_seconds < self.seconds:
            raise ValueError(f"max_seconds ({self.max_seconds:g}) must not be less than seconds ({self.seconds:g})")
        return self

    @property
    def samples(self) -> int:
        """Of a transformed example."""
        return max(1, round(self.seconds * self.sample_rate))


class Noise(Strict):
    """Noise of any colour from white to brown beside the sound."""

    probability: float = Field(1.0, gt=0, le=1, description="Share of the examples that get any.")
    loudest: float = Field(5.0, ge=-20, le=80, description="Decibels by which the sound is louder, at least.")
    quietest: float = Field(30.0, ge=-20, le=80, description="And at most.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.loudest > self.quietest:
            raise ValueError(f"loudest ({self.loudest:g}) must not exceed quietest ({self.quietest:g}): decibels below")
        return self


class SpecAugment(Strict):
    """Bands and times that become silent (Park et al., 2019); each mask is up to so wide."""

    masks: int = Field(2, ge=1, le=10, description="Of each kind.")
    frequency: float = Field(0.15, ge=0, le=1, description="Share of the mel scale.")
    time: float = Field(0.1, ge=0, le=1, description="Share of the clip.")


class AudioPolicy(policy.Policy):
    """Each example draws one value of each range, uniformly; see data/modalities/audio/augment.py for the methods."""

    gain: float = Field(0, ge=0, le=40, description="Decibels, louder or softer.")
    shift: float = Field(0, ge=0, le=1, description="Share of the clip, earlier or later; silence comes in.")
    speed: float = Field(0, ge=0, lt=1, description="Tempo and pitch between 1 - speed and 1 + speed.")
    pitch: float = Field(0, ge=0, le=12, description="Semitones, higher or lower, at the same tempo.")
    reverb: float = Field(0, ge=0, le=1, description="A room whose echoes die away in up to this share of the clip.")
    noise: Noise | None = Field(None, description="In the background, at a drawn ratio to the sound.")
    specaugment: SpecAugment | None = Field(None, description="Bands and times that become silent.")

    def excluded_roles(self, change: str) -> tuple[str, ...]:
        """See the base; what moves sounds in time would part them from a target that says when they are."""
        return (*super().excluded_roles(change), *(["time"] if change in ("shift", "speed") else []))
