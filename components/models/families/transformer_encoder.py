"""A Transformer's encoder over token ids, and the mean of what it makes of them (Vaswani et al., 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.components.models.blocks import transformer
from modelmill.data.modalities.text.facts import TextFacts
from modelmill.data.spec import Spec, narrow

if TYPE_CHECKING:
    import tf_keras


class TransformerEncoderConfig(family.FamilyConfig):
    """Trained from scratch. Small data wants it small: width 64, depth 1 or 2, much dropout."""

    family: Literal["transformer_encoder"] = "transformer_encoder"
    width: int = Field(64, ge=2, description="Of a token.")
    depth: int = Field(2, ge=0, description="Blocks of attention and a hidden layer.")
    heads: int = Field(4, ge=1, description="Of the attention; they share the width.")
    hidden: int = Field(128, ge=1, description="Width of the hidden layer of each block.")
    norm: Literal["pre", "post"] = Field("pre", description="Where it is normalised: before each branch, or behind.")
    positions: Literal["learned", "sinusoidal", "rotary", "none"] = Field(
        "learned", description="How it knows the place of a token: added to it, or turning queries and keys."
    )
    window: int = Field(
        1, ge=1, description="So many neighbouring tokens are seen at once by a convolution before the blocks; 1: none."
    )
    pool: Literal["mean", "max", "both", "first"] = Field(
        "mean", description="What the head sees: the mean of the tokens, the largest of each feature, both, or [CLS]."
    )
    token_dropout: float = Field(0, ge=0, lt=1, description="Share of whole tokens dropped at the start.")
    block_dropout: float = Field(0, ge=0, lt=1, description="Share of each branch's features dropped.")
    attention_dropout: float = Field(0, ge=0, lt=1, description="Share of the attention's weights dropped.")

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need heads of an even width, found {self.width // self.heads}")
        return self


class TransformerEncoder(family.Family[TransformerEncoderConfig]):
    """A Transformer's encoder over token ids, and the mean of what it makes of them (Vaswani et al., 2017)."""

    Config = TransformerEncoderConfig
    MODALITIES = ("text",)

    def build(self, config: TransformerEncoderConfig, spec: Spec) -> tf_keras.Model:
        """Ids int32 [batch, length] to logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        from modelmill.components.models.layers import attention, tokens

        inputs = family.inputs(spec)
        ids = narrow(spec.modality_facts, TextFacts).vocabulary
        mask = attention.PaddingMask(name="mask")(inputs)
        features = layers.Embedding(ids, config.width, name="embedding")(inputs)
        if config.positions == "learned":
            features = tokens.LearnedPositions(name="positions")(features)
        elif config.positions == "sinusoidal":
            features = attention.SinusoidalPositions(name="positions")(features)
        if config.token_dropout:
            features = layers.Dropout(config.token_dropout, noise_shape=(None, spec.input.shape[0], 1))(features)
        if config.window > 1:
            alone = attention.Masked(name="masked")([features, mask])
            near = layers.Conv1D(config.width, config.window, padding="same", activation="gelu", name="window")(alone)
            features = layers.Add()([features, near])
        block = transformer.Block(
            config.width,
            config.heads,
            config.hidden,
            config.norm,
            dropout=config.block_dropout,
            attention_dropout=config.attention_dropout,
            rotary=config.positions == "rotary",
        )
        for number in range(config.depth):
            features = transformer.apply(features, mask, block, f"block_{number}")
        if config.norm == "pre":
            features = layers.LayerNormalization(epsilon=block.epsilon, name="norm")(features)
        if config.pool == "first":
            features = tokens.FirstToken(name="first_token")(features)
        else:
            pools: list[layers.Layer] = [attention.MaskedMean(name="mean"), attention.MaskedMax(name="max")]
            pooled = [pool([features, mask]) for pool in pools if config.pool in (pool.name, "both")]
            features = layers.Concatenate(name="both")(pooled) if len(pooled) > 1 else pooled[0]
        return tf_keras.Model(inputs, family.head(features, config, spec), name="transformer_encoder")
