"""A Vision Transformer: patches of the image are the tokens of an encoder (Dosovitskiy et al., 2021).

Normalisation stands before attention and MLP. With stochastic depth each of them is left out for some of the examples
of a training step, the later ones more often (Huang et al., 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class VitConfig(family.FamilyConfig):
    """The image's sides must be multiples of the patch's. ViT-Base: patch 16, width 768, depth 12, heads 12, mlp 4."""

    family: Literal["vit"] = "vit"
    patch: int = Field(4, ge=1, le=64, description="Side of a patch, in pixels.")
    width: int = Field(64, ge=1, description="Of a token.")
    depth: int = Field(4, ge=1, description="Blocks of attention and MLP.")
    heads: int = Field(4, ge=1, description="Of the attention; they share the width.")
    mlp: float = Field(2, gt=0, description="Width of the MLP's hidden layer, in widths of a token.")
    pool: Literal["mean", "token"] = Field(
        "mean", description="What the head sees: the mean of all tokens, or one token for the class."
    )
    attention_dropout: float = Field(0, ge=0, lt=1, description="Share of the attention's weights dropped.")
    stochastic_depth: float = Field(
        0.1, ge=0, lt=1, description="Probability that the last block's branches are left out; falls to 0 at the first."
    )

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class Vit(family.Family[VitConfig]):
    """A Vision Transformer: patches of the image are the tokens of an encoder (Dosovitskiy et al., 2021)."""

    Config = VitConfig
    MODALITIES = ("image",)

    def check(self, config: VitConfig, spec: Spec) -> None:
        """Raises ValueError if the image can't be cut into patches."""
        height, width = spec.input.fixed_shape[:2]
        if height % config.patch or width % config.patch:
            raise ValueError(
                f"model.patch: {config.patch} does not divide {height} x {width} (data.height, data.width); "
                "give a patch, or a size of images, that fits"
            )

    def build(self, config: VitConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, height, width, channels] to logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        from modelmill.components.models.layers import tokens

        height, width = spec.input.fixed_shape[:2]
        inputs = family.inputs(spec)
        features = layers.Conv2D(config.width, config.patch, config.patch, name="patches")(inputs)
        features = layers.Reshape((height * width // config.patch**2, config.width))(features)
        if config.pool == "token":
            features = tokens.ClassToken(name="class_token")(features)
        features = tokens.LearnedPositions(name="positions")(features)
        for block in range(config.depth):
            left_out = config.stochastic_depth * block / max(config.depth - 1, 1)
            features = _residual(features, _attention, config, left_out)
            features = _residual(features, _mlp, config, left_out)
        features = layers.LayerNormalization(epsilon=1e-6)(features)
        if config.pool == "token":
            features = tokens.FirstToken(name="first_token")(features)
        else:
            features = layers.GlobalAveragePooling1D()(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="vit")


def _residual(
    features: tf_keras.KerasTensor,
    branch: Callable[[tf_keras.KerasTensor, VitConfig], tf_keras.KerasTensor],
    config: VitConfig,
    left_out: float,
) -> tf_keras.KerasTensor:
    """Adds what a branch makes of the normalised tokens; for a share of the examples nothing, while training."""
    from tf_keras import layers

    found = branch(layers.LayerNormalization(epsilon=1e-6)(features), config)
    if left_out:
        # One draw for all numbers of an example: what is kept is scaled up, as in any dropout.
        found = layers.Dropout(left_out, noise_shape=(None, 1, 1))(found)
    return layers.Add()([features, found])


def _attention(tokens: tf_keras.KerasTensor, config: VitConfig) -> tf_keras.KerasTensor:
    from tf_keras import layers

    attention = layers.MultiHeadAttention(config.heads, config.width // config.heads, dropout=config.attention_dropout)
    return attention(tokens, tokens)


def _mlp(tokens: tf_keras.KerasTensor, config: VitConfig) -> tf_keras.KerasTensor:
    from tf_keras import layers

    hidden = layers.Dense(round(config.mlp * config.width), activation="gelu")(tokens)
    return layers.Dense(config.width)(hidden)
