"""Low rank: a matrix becomes the product of two thin ones, by its singular values, and is fine-tuned.

Of dense layers, embeddings and the projections of attention, and of convolutions taken as matrices (Denton et al.,
2014; Zhang et al., 2016). Fewer weights and fewer multiplications, where a matrix has few large singular values;
elsewhere it is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import functional, low_rank_attention
from modelmill.components.models.training.fine_tuning import TunedConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context

# The layers whose one matrix is taken apart; attention has several.
TAKEN = ("Dense", "Embedding", "Conv1D", "Conv2D")
Matrix = np.ndarray[Any, Any]


class LowRankConfig(TunedConfig):
    """How much of each matrix is kept."""

    method: Literal["low_rank"] = "low_rank"
    energy: float = Field(0.9, gt=0, lt=1, description="Share of the squared singular values that is kept.")
    convolutions: bool = Field(True, description="Convolutions too; else only dense layers, embeddings and attention.")


class LowRank(Method[LowRankConfig]):
    """Low rank: a matrix becomes the product of two thin ones, by its singular values, and is fine-tuned."""

    Config = LowRankConfig
    UNDOES = {"prune": "prune after low_rank", "cluster": "cluster after low_rank"}

    def tune(self, model: tf_keras.Model, config: LowRankConfig, context: Context) -> tf_keras.Model:
        """Takes apart every matrix of which that leaves fewer weights, and fine-tunes.

        Raises:
          ValueError: there is none.
        """
        small = taken_apart(model, config, context)
        if small.count_params() >= model.count_params():
            raise ValueError("low_rank: no layer would become smaller; keep less of the energy")
        context.fine_tune(small, config)
        return small


def taken_apart(model: tf_keras.Model, config: LowRankConfig, context: Context) -> tf_keras.Model:
    """A copy whose matrices are products of two; not fine-tuned."""
    weights: dict[str, list[Matrix]] = {}
    attentions: list[low_rank_attention.Thin] = []

    def replace(layer: tf_keras.layers.Layer) -> list[functional.Call]:
        weights[layer.name] = layer.get_weights()
        if not layer.weights:
            return [functional.like(layer)]
        if _is(layer, "MultiHeadAttention"):
            pairs = {}
            for part, matrix in low_rank_attention.matrices(layer).items():
                if pair := _pair(layer.name, matrix, config, context, part):
                    pairs[part] = pair
            if pairs:
                del weights[layer.name]
                attentions.append(low_rank_attention.Thin(layer, pairs))
                return [attentions[-1]]
            return [functional.like(layer)]
        if reason := _hindrance(layer, config):
            context.skip(layer.name, config.method, reason)
            return [functional.like(layer)]
        pair = _pair(layer.name, _matrix(layer), config, context)
        if pair is None:
            return [functional.like(layer)]
        first, second = pair
        made = _layers(layer, first.shape[1])
        shape = layer.get_weights()[0].shape
        weights[made[0].name] = [first.reshape(*shape[:-1], -1)]
        weights[layer.name] = [second.reshape(*_kernel_shape(made[1], second)), *layer.get_weights()[1:]]
        return [*made]

    small = functional.rebuild(model, replace)
    for layer in small.layers:
        if weights.get(layer.name):
            layer.set_weights(weights[layer.name])
    for attention in attentions:
        attention.set_weights()
    return small


def _pair(
    name: str, matrix: Matrix, config: LowRankConfig, context: Context, part: str = ""
) -> tuple[Matrix, Matrix] | None:
    """The factors of a layer's matrix, None if they are no smaller; `part` of it, if it has several. Reports either."""
    first, second, rank = factors(matrix, config.energy)
    of = f"{part}: " if part else ""
    if first.size + second.size >= matrix.size:
        context.skip(name, config.method, f"{of}keeping {config.energy:g} of it takes rank {rank}, which is no smaller")
        return None
    context.change(name, config.method, f"{of}rank {rank} of {min(matrix.shape)}")
    return first, second


def factors(matrix: Matrix, energy: float) -> tuple[Matrix, Matrix, int]:
    """[inputs, rank] and [rank, outputs], whose product has `energy` of the squared singular values; and the rank."""
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    kept = np.cumsum(values**2) / max(float(np.sum(values**2)), 1e-300)
    rank = min(int(np.searchsorted(kept, energy)) + 1, len(values))
    root = np.sqrt(values[:rank])  # shared out, so that neither factor learns faster than the other
    return (left[:, :rank] * root).astype(np.float32), (root[:, None] * right[:rank]).astype(np.float32), rank


def _is(layer: tf_keras.layers.Layer, kind: str) -> bool:
    """Whether it is that layer of Keras itself: what one of a user's own does is not known."""
    from tf_keras import layers

    return type(layer) is getattr(layers, kind)


def _hindrance(layer: tf_keras.layers.Layer, config: LowRankConfig) -> str:
    kind = type(layer).__name__
    if kind not in TAKEN or not _is(layer, kind):
        return f"{kind} has no matrix that can be taken apart"
    if kind.startswith("Conv") and not config.convolutions:
        return "low_rank.convolutions is false"
    if kind.startswith("Conv") and layer.groups != 1:
        return f"{layer.name} works on groups of channels"
    return ""


def _matrix(layer: tf_keras.layers.Layer) -> Matrix:
    """[inputs, outputs]; of a convolution the inputs are all that its kernel covers."""
    kernel = layer.get_weights()[0]
    return np.asarray(kernel.reshape(-1, kernel.shape[-1]))


def _layers(layer: tf_keras.layers.Layer, rank: int) -> list[tf_keras.layers.Layer]:
    """Two layers: the first without bias and activation, the second with the name of the whole."""
    from tf_keras import layers

    kind, config = type(layer).__name__, layer.get_config()
    thin, plain = f"{layer.name}_low", {"activation": "linear", "use_bias": False}
    if kind == "Embedding":
        first = functional.like(layer, output_dim=rank, name=thin)
        return [first, layers.Dense(layer.output_dim, use_bias=False, name=layer.name, dtype=config["dtype"])]
    if kind == "Dense":
        return [functional.like(layer, units=rank, name=thin, **plain), functional.like(layer)]
    point: Any = 1 if kind == "Conv1D" else (1, 1)
    first = functional.like(layer, filters=rank, name=thin, **plain)
    return [first, functional.like(layer, kernel_size=point, strides=point, dilation_rate=point)]


def _kernel_shape(second: tf_keras.layers.Layer, matrix: Matrix) -> tuple[int, ...]:
    """A 1 x 1 convolution has its matrix behind as many ones."""
    ones = {"Conv1D": (1,), "Conv2D": (1, 1)}.get(type(second).__name__, ())
    return (*ones, *matrix.shape)
