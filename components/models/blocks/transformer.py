"""Blocks of a Transformer's encoder (Vaswani et al., 2017), for families of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import tf_keras


class Block(NamedTuple):
    """What a block is like.

    Attributes:
      width: of a token.
      heads: of the attention; they share the width.
      hidden: width of the hidden layer behind the attention.
      norm: normalisation before attention and hidden layer, or behind what they are added to (as BERT has it).
      activation: of the hidden layer.
      epsilon: of the normalisations.
      dropout: share of each branch's features dropped; attention_dropout: of the attention's weights.
      rotary: whether places turn queries and keys.
    """

    width: int
    heads: int
    hidden: int
    norm: Literal["pre", "post"] = "pre"
    activation: str = "gelu"
    epsilon: float = 1e-6
    dropout: float = 0.0
    attention_dropout: float = 0.0
    rotary: bool = False


def apply(tokens: tf_keras.KerasTensor, mask: tf_keras.KerasTensor, block: Block, name: str) -> tf_keras.KerasTensor:
    """Adds a block to a model: [batch, tokens, width] with a mask [batch, tokens]; `name` begins its layers' names."""
    from tf_keras import layers

    def norm(features: tf_keras.KerasTensor, what: str) -> tf_keras.KerasTensor:
        return layers.LayerNormalization(epsilon=block.epsilon, name=f"{name}_{what}_norm")(features)

    seen = norm(tokens, "attention") if block.norm == "pre" else tokens
    tokens = layers.Add()([tokens, _attention(seen, mask, block, name)])
    tokens = norm(tokens, "attention") if block.norm == "post" else tokens
    seen = norm(tokens, "hidden") if block.norm == "pre" else tokens
    hidden = layers.Dense(block.hidden, activation=block.activation, name=f"{name}_hidden")(seen)
    hidden = _dropped(layers.Dense(block.width, name=f"{name}_output")(hidden), block)
    tokens = layers.Add()([tokens, hidden])
    return norm(tokens, "hidden") if block.norm == "post" else tokens


def _attention(seen: tf_keras.KerasTensor, mask: tf_keras.KerasTensor, block: Block, name: str) -> tf_keras.KerasTensor:
    from tf_keras import layers

    from modelmill.components.models.layers.attention import Attention

    parts = [layers.Dense(block.width, name=f"{name}_{part}")(seen) for part in ("query", "key", "value")]
    attention = Attention(block.heads, block.rotary, block.attention_dropout, name=f"{name}_attention")
    found = layers.Dense(block.width, name=f"{name}_projection")(attention([*parts, mask]))
    return _dropped(found, block)


def _dropped(features: tf_keras.KerasTensor, block: Block) -> tf_keras.KerasTensor:
    from tf_keras import layers

    return layers.Dropout(block.dropout)(features) if block.dropout else features
