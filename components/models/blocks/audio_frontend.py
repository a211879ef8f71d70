"""What stands between a waveform and a network: its settings, and the seam at which a model is taken apart there.

Frames of a waveform, their spectra and logarithms span more than eight bits can hold, and a quantizer does not know
that: so compression works on what is behind the seam, and the front-end stays float32 in every flatbuffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.upstream import keras_internals
from modelmill.data.core.config import Strict

if TYPE_CHECKING:
    import tf_keras

# The name of the layer; a model that has one begins with it.
NAME = "frontend"


class FrontEnd(Strict):
    """Log-mel energies, or the cepstral coefficients of them (MFCC; Davis and Mermelstein, 1980), frame by frame."""

    kind: Literal["log_mel", "mfcc"] = "log_mel"
    window: float = Field(0.03, gt=0, le=1, description="Seconds of a frame; a Hann window.")
    hop: float = Field(0.02, gt=0, le=1, description="Seconds from frame to frame.")
    bands: int = Field(40, ge=2, le=256, description="On the mel scale, triangles.")
    coefficients: int = Field(13, ge=1, le=256, description="Of mfcc: how many are kept, the lowest first.")
    low: float = Field(20.0, ge=0, description="Hertz, where the lowest band begins.")
    high: float | None = Field(None, gt=0, description="Hertz, where the highest ends; half the sample rate if absent.")
    center: bool = Field(False, description="Subtract each band's mean over the frames: the loudness goes with it.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind == "mfcc" and self.coefficients > self.bands:
            raise ValueError(f"coefficients ({self.coefficients}) must not exceed bands ({self.bands})")
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"high ({self.high:g}) must be above low ({self.low:g})")
        return self

    def check(self, sample_rate: int, samples: int) -> None:
        """Raises ValueError if waveforms are shorter than a frame, or have no frequencies as high as `high`."""
        if samples < self._window(sample_rate):
            raise ValueError(
                f"model.frontend.window: found {self.window:g} seconds, but examples have only "
                f"{samples / sample_rate:g} (data.seconds)"
            )
        high = self.high or sample_rate / 2
        if high > sample_rate / 2 or self.low >= high:
            raise ValueError(
                f"model.frontend: bands from {self.low:g} to {high:g} hertz, but at data.sample_rate {sample_rate} "
                f"there is nothing above {sample_rate / 2:g}"
            )

    def layer(self, sample_rate: int, samples: int) -> tf_keras.layers.Layer:
        """The layer, of waveforms float32 [batch, samples] to features float32 [batch, frames, features].

        Raises:
          ValueError: see check.
        """
        from modelmill.components.models.layers.spectrum import Spectrum

        self.check(sample_rate, samples)
        return Spectrum(
            sample_rate=sample_rate,
            window=self._window(sample_rate),
            hop=max(1, round(self.hop * sample_rate)),
            bands=self.bands,
            low=self.low,
            high=self.high or sample_rate / 2,
            coefficients=self.coefficients if self.kind == "mfcc" else 0,
            center=self.center,
            name=NAME,
        )

    def _window(self, sample_rate: int) -> int:
        """Samples of a frame."""
        return max(1, round(self.window * sample_rate))


def split(model: tf_keras.Model) -> tuple[tf_keras.Model | None, tf_keras.Model]:
    """A model's front-end (None if it has none) and the rest of it; both share its layers and weights."""
    import tf_keras

    if NAME not in [layer.name for layer in model.layers]:
        return None, model
    # The layer's call in this very model: a method that left it alone may have called it in another one before.
    features = next(node.outputs for node in keras_internals.nodes(model) if node.layer.name == NAME)
    return tf_keras.Model(model.inputs, features), tf_keras.Model(features, model.outputs, name=model.name)


def join(front: tf_keras.Model | None, rest: tf_keras.Model) -> tf_keras.Model:
    """The opposite of `split`; it can be split again."""
    import tf_keras

    if front is None:
        return rest
    inputs = tf_keras.Input(front.input_shape[1:], dtype=front.inputs[0].dtype)
    layer = front.get_layer(NAME)
    features = type(layer).from_config(layer.get_config())(inputs)
    return tf_keras.Model(inputs, rest(features), name=rest.name)
