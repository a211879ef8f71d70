"""Structured pruning: channels and neurons of least importance are removed, and a smaller dense model is left.

Unlike zeros, removed channels make the model faster: it has fewer multiplications. Li et al., 2017 (L1); Liu et al.,
2017 (scale of batch normalisation); Molchanov et al., 2019 (first-order Taylor).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import channel_importance, prune_channels
from modelmill.components.compress.rewrites.channel_groups import Channels, Space
from modelmill.components.models.training.fine_tuning import TunedConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class StructuredConfig(TunedConfig):
    """How much goes, and by what it is chosen."""

    method: Literal["structured"] = "structured"
    amount: float = Field(0.3, gt=0, lt=1, description="Share of the channels that are removed.")
    importance: Literal["l1", "batch_norm", "taylor"] = Field("taylor", description="By what channels are ranked.")
    scope: Literal["layer", "model"] = Field(
        "layer", description="Whether every layer loses the share, or all of them together, the unimportant ones more."
    )
    least: int = Field(2, ge=1, description="Channels that any layer keeps.")
    multiple: int = Field(1, ge=1, description="What is kept of a layer is rounded up to it: kernels work on 4 or 8.")
    rounds: int = Field(1, ge=1, description="In how many steps, each with its part of the epochs.")
    batches: int = Field(20, ge=1, description="Of taylor: train batches, not augmented, that give the gradients.")


class Structured(Method[StructuredConfig]):
    """Structured pruning: channels and neurons of least importance are removed, and a smaller dense model is left."""

    Config = StructuredConfig
    UNDOES = {"prune": "prune after structured", "cluster": "cluster after structured"}

    def tune(self, model: tf_keras.Model, config: StructuredConfig, context: Context) -> tf_keras.Model:
        """Removes channels, fine-tunes, and so on for each round.

        Raises:
          ValueError: there is nothing that could be removed.
        """
        rounds = min(config.rounds, config.epochs)
        widths = {layer.name: _width(layer) for layer in model.layers}
        small = model
        for number in range(rounds):
            # Of what is left then: after all rounds the whole share is gone.
            share = 1 - (1 - config.amount) ** (1 / rounds)
            small = _cut(small, share, config, context, report=number == 0)
            epochs = config.epochs * (number + 1) // rounds - config.epochs * number // rounds
            context.fine_tune(small, config, epochs=epochs)
        for layer in small.layers:
            before, after = widths.get(layer.name), _width(layer)
            if before and after and after < before:
                context.change(layer.name, config.method, f"{after} of {before} channels left")
        return small


def _cut(
    model: tf_keras.Model, share: float, config: StructuredConfig, context: Context, report: bool
) -> tf_keras.Model:
    channels = Channels(model)
    scored: dict[int, np.ndarray[Any, Any]] = {}
    ranks = _ranks(model, config, context)
    for number, space in channels.spaces().items():
        if not space.makers:
            continue
        if space.fixed:
            for layer in space.makers if report else ():
                context.skip(layer.name, config.method, f"keeps all {space.size} channels: {space.fixed}")
            continue
        scored[number] = ranks(space)
    if not scored:
        raise ValueError("structured: no layer has channels that could be removed; the layers table says why")
    return prune_channels.remove(model, channels, choose(scored, share, config))


def choose(
    scored: dict[int, np.ndarray[Any, Any]], share: float, config: StructuredConfig
) -> dict[int, np.ndarray[Any, Any]]:
    """Of each space the channels that are kept, bool [channels], from their scores; equal scores: the first stay."""
    if config.scope == "layer":
        lost = {number: round(len(scores) * share) for number, scores in scored.items()}
    else:
        # Scores of different layers are comparable only in the layer's own unit.
        every = [(score / max(scores.mean(), 1e-30), number) for number, scores in scored.items() for score in scores]
        worst = sorted(every)[: round(len(every) * share)]
        lost = {number: sum(1 for _, one in worst if one == number) for number in scored}
    keep = {}
    for number, scores in scored.items():
        left = max(len(scores) - lost[number], config.least)
        left = min(-(-left // config.multiple) * config.multiple, len(scores))
        mask = np.zeros(len(scores), bool)
        mask[np.argsort(-scores, kind="stable")[:left]] = True
        keep[number] = mask
    return keep


def _ranks(model: tf_keras.Model, config: StructuredConfig, context: Context) -> Any:
    if config.importance == "taylor":
        return channel_importance.taylor(model, context.examples["train"].plain().take(config.batches), context.loss)
    if config.importance == "l1":
        return channel_importance.l1

    def scale(space: Space) -> np.ndarray[Any, Any]:
        found = channel_importance.batch_norm(space)
        if found is not None:
            return found
        for layer in space.makers:
            context.skip(layer.name, config.method, "ranked by L1: there is no batch normalisation behind it")
        return channel_importance.l1(space)

    return scale


def _width(layer: tf_keras.layers.Layer) -> int | None:
    from modelmill.components.compress.rewrites.channel_groups import WIDTHS

    name = WIDTHS.get(type(layer).__name__)
    return int(layer.get_config()[name]) if name else None
