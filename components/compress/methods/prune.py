"""Magnitude pruning with fine-tuning: the smallest weights become zero (Zhu and Gupta, 2017; TF-MOT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from components.compress import method

if TYPE_CHECKING:
    import tf_keras

    from components.compress.context import Context

FOLLOWS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
UNDOES: dict[str, str] = {"cluster": "cluster after prune"}
EXPORTS = False


class Config(method.MethodConfig):
    """The sparsity rises from `initial` to `sparsity` by a cubic over the first `ramp` of the steps, then holds."""

    method: Literal["prune"] = "prune"
    sparsity: float = Field(0.8, gt=0, lt=1, description="Share of zeros in every pruned kernel at the end.")
    initial: float = Field(0.3, ge=0, lt=1)
    ramp: float = Field(0.5, gt=0, le=1, description="Share of the fine-tuning in which the sparsity rises.")
    epochs: int = Field(10, ge=1, description="Of fine-tuning.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.initial > self.sparsity:
            raise ValueError(f"initial ({self.initial}) must not exceed sparsity ({self.sparsity})")
        return self


def tune(model: tf_keras.Model, config: Config, context: Context) -> tf_keras.Model:
    """Prunes every layer with a kernel that TF-MOT knows, and strips the wrappers when done."""
    import tensorflow_model_optimization as tfmot
    import tf_keras
    from tensorflow_model_optimization.python.core.sparsity.keras.prune_registry import PruneRegistry

    steps = context.steps_per_epoch * config.epochs
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=config.initial,
        final_sparsity=config.sparsity,
        begin_step=0,
        end_step=max(1, int(steps * config.ramp)),
        # TF-MOT makes a mask every 100 steps, which a short run would hardly reach.
        frequency=max(1, min(100, steps // 50)),
    )

    def wrap(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if not layer.weights:
            return layer
        if not PruneRegistry.supports(layer):
            context.skip(layer.name, "prune", f"TF-MOT does not know how to prune {type(layer).__name__}")
            return layer
        if getattr(layer, "kernel", None) is None and getattr(layer, "cell", None) is None:
            context.skip(layer.name, "prune", f"{type(layer).__name__} has no kernel")
            return layer
        return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)

    wrapped = tf_keras.models.clone_model(context.copy(model), clone_function=wrap)
    callback = tfmot.sparsity.keras.UpdatePruningStep()
    context.fine_tune(wrapped, config.epochs, config.learning_rate, [callback])
    return tfmot.sparsity.keras.strip_pruning(wrapped)
