"""A recurrent network: LSTM or GRU layers, in one direction or both, of time series of any length.

Flatbuffers have its layers in operations of our own (components/models/layers/recurrent.py): a fused LSTM keeps its
state from one call to the next, and its weights are not quantized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.data.modalities.series.facts import SeriesFacts
from modelmill.data.spec import Spec, narrow

if TYPE_CHECKING:
    import tf_keras


class RnnConfig(family.FamilyConfig):
    """Padded steps are masked: they change no state."""

    family: Literal["rnn"] = "rnn"
    cell: Literal["lstm", "gru"] = Field("lstm", description="Hochreiter and Schmidhuber 1997, or Cho et al. 2014.")
    units: tuple[int, ...] = Field((64,), min_length=1, description="Of each layer: they are stacked.")
    bidirectional: bool = Field(False, description="Each layer also reads backwards; both answers are joined.")
    layer_dropout: float = Field(0, ge=0, lt=1, description="Of each layer's inputs; `dropout` is before the head.")
    pool: Literal["last", "mean"] = Field("last", description="What is taken of the last layer's steps.")

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if any(units < 1 for units in self.units):
            raise ValueError(f"units must all be at least 1, found {list(self.units)}")
        return self


class Rnn(family.Family[RnnConfig]):
    """A recurrent network: LSTM or GRU layers, in one direction or both, of time series of any length."""

    Config = RnnConfig
    MODALITIES = ("series",)

    def build(self, config: RnnConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, length, channels] to what the task learns, such as logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        inputs = features = family.inputs(spec)
        facts = narrow(spec.modality_facts, SeriesFacts)
        if facts.masked:  # the flag of a step that is there is 1, so none of them is all zeros
            features = layers.Masking(0.0)(features)
        made = {"lstm": layers.LSTM, "gru": layers.GRU}[config.cell]
        for place, units in enumerate(config.units):
            if config.layer_dropout and place:
                features = layers.Dropout(config.layer_dropout)(features)
            sequences = place < len(config.units) - 1 or config.pool == "mean"
            if config.bidirectional:
                features = _both_ways(made, units, sequences, features)
            else:
                features = made(units, return_sequences=sequences)(features)
        if config.pool == "mean":
            features = layers.GlobalAveragePooling1D()(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="rnn")


def _both_ways(made: Any, units: int, sequences: bool, features: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """Two layers of their own: of Keras' Bidirectional compression knows nothing."""
    from tf_keras import layers

    from modelmill.components.models.layers.recurrent import BothWays

    read = [made(units, return_sequences=sequences, go_backwards=backwards)(features) for backwards in (False, True)]
    return BothWays()(read) if sequences else layers.Concatenate()(read)
