"""A multilayer perceptron: dense layers, of rows of tables or of anything that is flattened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.data.modalities.tabular.facts import TabularFacts
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class MlpConfig(family.FamilyConfig):
    """With data.task: anomaly it is an autoencoder; give it a narrow width in the middle."""

    family: Literal["mlp"] = "mlp"
    widths: tuple[int, ...] = Field((64, 64), description="Of the hidden layers; none makes a linear model.")
    activation: Literal["relu", "tanh", "gelu", "selu", "swish"] = "relu"
    batch_norm: bool = Field(False, description="Behind each hidden layer's product, before its activation.")
    batch_norm_momentum: float = Field(0.9, gt=0, lt=1)
    layer_dropout: float = Field(0, ge=0, lt=1, description="Behind each hidden layer; `dropout` is before the head.")
    embedding: int = Field(8, ge=1, description="Width of the vector that a category becomes.")

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if any(width < 1 for width in self.widths):
            raise ValueError(f"widths must all be at least 1, found {list(self.widths)}")
        return self


class Mlp(family.Family[MlpConfig]):
    """A multilayer perceptron: dense layers, of rows of tables or of anything that is flattened."""

    Config = MlpConfig
    MODALITIES = ("tabular", "series", "image")

    def build(self, config: MlpConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, *shape] to what the task learns, such as logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        inputs = features = family.inputs(spec)
        if len(spec.input.shape) > 1:
            features = layers.Flatten()(features)
        columns = spec.modality_facts.columns if isinstance(spec.modality_facts, TabularFacts) else ()
        # A category has a place for what is unknown, too.
        counts = [len(one.categories) + 1 if one.kind == "category" else 0 for one in columns]
        if any(counts):
            from modelmill.components.models.layers.columns import Embedded

            features = Embedded(counts, config.embedding, name="columns")(features)
        for width in config.widths:
            features = layers.Dense(width, use_bias=not config.batch_norm)(features)
            if config.batch_norm:
                features = layers.BatchNormalization(momentum=config.batch_norm_momentum)(features)
            features = layers.Activation(config.activation)(features)
            if config.layer_dropout:
                features = layers.Dropout(config.layer_dropout)(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="mlp")
