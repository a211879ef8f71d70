"""A plain network of dense layers, for small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelmill.components.models import family
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class PlainConfig(family.FamilyConfig):
    """What stands in the section `model` of an experiment."""

    family: Literal["plain"] = "plain"
    widths: tuple[int, ...] = Field((32,), min_length=1, description="Of the dense layers.")


class Plain(family.Family[PlainConfig]):
    """A plain network of dense layers, for small pictures."""

    Config = PlainConfig
    MODALITIES = ("image",)

    def build(self, config: PlainConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, height, width, channels], normalised, to logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        inputs = family.inputs(spec)
        features = layers.Flatten()(inputs)
        for width in config.widths:
            features = layers.Dense(width, activation="relu")(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="plain")
