"""Magnitude pruning with fine-tuning: the smallest weights become zero (Zhu and Gupta, 2017; TF-MOT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from modelmill.components.compress.method import Method
from modelmill.components.models.training.fine_tuning import TunedConfig
from modelmill.components.upstream import tfmot_internals
from modelmill.data.core import plugins

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class PruneConfig(TunedConfig):
    """How many zeros, which weights, and when.

    By the polynomial schedule the sparsity rises from `initial` to `sparsity` by a cubic over the first `ramp` of the
    steps, then holds; by the constant one it is `sparsity` from the first step on.
    """

    method: Literal["prune"] = "prune"
    sparsity: float = Field(0.8, gt=0, lt=1, description="Share of zeros in every pruned kernel at the end.")
    schedule: Literal["polynomial", "constant"] = "polynomial"
    initial: float = Field(0.3, ge=0, lt=1)
    ramp: float = Field(0.5, gt=0, le=1, description="Share of the fine-tuning in which the sparsity rises.")
    layers: dict[str, float] | None = Field(
        None, description="Only these layers, each with a sparsity of its own; all that can be pruned if absent."
    )
    pattern: tuple[int, int] | None = Field(
        None, description="[2, 4]: two zeros in every four weights in a row (of the inputs), instead of `sparsity`."
    )
    block: tuple[int, int] | None = Field(
        None, description="Zeros come in blocks of [inputs, outputs]; dense and other two-dimensional kernels only."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = [self.sparsity] if self.layers is None else list(self.layers.values())
        if not wanted or not all(0 < one < 1 for one in wanted):
            raise ValueError(f"layers: each has a sparsity between 0 and 1; found {self.layers}")
        if self.schedule == "polynomial" and self.pattern is None and self.initial > min(wanted):
            raise ValueError(f"initial ({self.initial}) must not exceed sparsity ({min(wanted)})")
        if self.pattern is not None and not 0 < self.pattern[0] < self.pattern[1]:
            raise ValueError(f"pattern: [zeros, of so many], such as [2, 4]; found {list(self.pattern)}")
        if self.block is not None and (min(self.block) < 1 or self.pattern is not None):
            raise ValueError(f"block: sides of at least 1, and no pattern beside it; found {list(self.block)}")
        return self


class Prune(Method[PruneConfig]):
    """Magnitude pruning with fine-tuning: the smallest weights become zero (Zhu and Gupta, 2017; TF-MOT)."""

    Config = PruneConfig
    UNDOES = {"cluster": "cluster after prune"}

    def tune(self, model: tf_keras.Model, config: PruneConfig, context: Context) -> tf_keras.Model:
        """Prune every layer with a kernel that TF-MOT knows, strip the wrappers and verify the pattern.

        Raises:
          ValueError: `layers` names one that there is not.
        """
        import tensorflow_model_optimization as tfmot
        import tf_keras

        for name in config.layers or ():
            names = [layer.name for layer in model.layers]
            if name not in names:
                raise ValueError(f"prune.layers: {plugins.unknown('layer', name, names)}")
        pruned: list[str] = []

        def wrap(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
            if not layer.weights:
                return layer
            reason = _hindrance(layer, config)
            if reason:
                context.skip(layer.name, "prune", reason)
                return layer
            pruned.append(layer.name)
            sparsity = config.sparsity if config.layers is None else config.layers[layer.name]
            options: dict[str, Any] = {"pruning_schedule": _schedule(sparsity, config, context)}
            if config.pattern:
                options["sparsity_m_by_n"] = config.pattern
            if config.block:
                options |= {"block_size": config.block, "block_pooling_type": "AVG"}
            return tfmot.sparsity.keras.prune_low_magnitude(layer, **options)

        wrapped = tf_keras.models.clone_model(context.copy(model), clone_function=wrap)
        callback = tfmot.sparsity.keras.UpdatePruningStep()
        context.fine_tune(wrapped, config, [callback])
        stripped = tfmot.sparsity.keras.strip_pruning(wrapped)
        for name in pruned if config.pattern or config.block else ():
            _verify(stripped.get_layer(name), config)
        return stripped


def _schedule(sparsity: float, config: PruneConfig, context: Context) -> Any:
    """When how much is pruned."""
    import tensorflow_model_optimization as tfmot

    steps = context.steps_per_epoch * config.epochs
    # TF-MOT makes a mask every 100 steps, which a short run would hardly reach.
    frequency = max(1, min(100, steps // 50))
    if config.schedule == "constant" or config.pattern:
        return tfmot.sparsity.keras.ConstantSparsity(sparsity, begin_step=0, frequency=frequency)
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=config.initial,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=max(1, int(steps * config.ramp)),
        frequency=frequency,
    )


def _hindrance(layer: tf_keras.layers.Layer, config: PruneConfig) -> str:
    """Why a layer with weights is not pruned; empty if it is."""
    kind, kernel = type(layer).__name__, getattr(layer, "kernel", None)
    if config.layers is not None and layer.name not in config.layers:
        return "it is not among prune.layers"
    if not tfmot_internals.can_prune(layer):
        return f"TF-MOT does not know how to prune {kind}"
    if kernel is None and getattr(layer, "cell", None) is None:
        return f"{kind} has no kernel"
    if config.block and (kernel is None or len(kernel.shape) != 2):
        return "blocks need a kernel of two dimensions"
    if config.pattern:
        if kernel is None or len(kernel.shape) not in (2, 4):
            return "a pattern needs a kernel of two or four dimensions"
        if kernel.shape[-2] < config.pattern[1]:
            return f"it has {kernel.shape[-2]} inputs, a pattern needs {config.pattern[1]}"
    return ""


def _verify(layer: tf_keras.layers.Layer, config: PruneConfig) -> None:
    """That zeros are where a kernel made for the pattern, or for blocks, expects them."""
    kernel = layer.kernel.numpy()
    if config.pattern:
        zeros, length = config.pattern
        inputs = kernel.shape[-2] // length * length
        rows = np.moveaxis(kernel, -2, -1)[..., :inputs].reshape(-1, length)
        sound = bool((np.count_nonzero(rows == 0, axis=1) >= zeros).all())
    else:
        assert config.block is not None
        height, width = config.block
        rows, columns = (-(-side // step) * step for side, step in zip(kernel.shape, config.block, strict=True))
        padded = np.zeros((rows, columns))
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel != 0
        blocks = padded.reshape(rows // height, height, columns // width, width).swapaxes(1, 2).any(axis=(2, 3))
        sound = 1 - blocks.mean() >= 0.9 * (config.sparsity if config.layers is None else config.layers[layer.name])
    assert sound, f"the zeros of {layer.name} are not where {config.pattern or config.block} wants them"
