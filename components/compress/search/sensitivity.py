"""How much each layer minds: pruned or quantized alone, nothing trained, errors measured on train examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.compress import method
from modelmill.components.compress.ptq.quantizer import Quantizer
from modelmill.components.upstream import tfmot_internals
from modelmill.data.core import plugins

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context

LEVELS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
BATCHES, EXAMPLES = 8, 100


def pruning(model: tf_keras.Model, context: Context) -> dict[str, dict[float, float]]:
    """Of each layer that can be pruned: share of zeros -> error of the answers, relative to their deviation."""
    batches = [inputs for inputs, _ in context.examples["train"].plain().take(BATCHES)]

    def answers() -> np.ndarray[Any, Any]:
        return np.concatenate([np.asarray(model(inputs, training=False)) for inputs in batches])

    exact, found = answers(), {}
    spread = max(float(np.sqrt(np.mean((exact - exact.mean(axis=0)) ** 2))), 1e-12)
    for layer in model.layers:
        if getattr(layer, "kernel", None) is None or not tfmot_internals.can_prune(layer):
            continue
        kernel = layer.kernel.numpy()
        errors = {}
        for level in LEVELS:
            least = np.quantile(np.abs(kernel), level)
            layer.kernel.assign(np.where(np.abs(kernel) < least, 0, kernel))
            errors[level] = float(np.sqrt(np.mean((answers() - exact) ** 2))) / spread
        layer.kernel.assign(kernel)
        found[layer.name] = errors
    return found


def shares(errors: dict[str, dict[float, float]], sizes: dict[str, int], sparsity: float) -> dict[str, float]:
    """Of each layer a sparsity, so that overall there are `sparsity` zeros where they do least.

    Step by step the layer is pruned further in which a zero more costs least.
    """
    chosen: dict[str, float] = dict.fromkeys(errors, 0.0)
    wanted = sparsity * sum(sizes[name] for name in errors)

    def price(name: str) -> tuple[float, float]:
        """Of the layer's next level: error per zero."""
        level = next((one for one in LEVELS if one > chosen[name]), None)
        if level is None:
            return float("inf"), 1.0
        more = errors[name][level] - errors[name].get(chosen[name], 0.0)
        return max(more, 0.0) / ((level - chosen[name]) * sizes[name]), level

    while sum(chosen[name] * sizes[name] for name in errors) < wanted:
        name = min(errors, key=price)
        cost, level = price(name)
        if not np.isfinite(cost):
            break
        chosen[name] = level
    return {name: level for name, level in chosen.items() if level}


def quantizing(model: tf_keras.Model, context: Context) -> dict[str, dict[str, float]]:
    """Method -> layer (or "all") -> error of the answers when it alone is quantized."""
    examples = [one.numpy()[0] for one in context.calibration(EXAMPLES)]
    content = bytes(context.converter(model).convert())
    samples = context.samples(content, examples)
    whole = Quantizer(content, samples)
    # Ranges of what is computed in a loop's body can't be found.
    ranged = Quantizer(bytes(context.converter(model, unrolled=True).convert()), samples) if whole.loops else whole
    found = {}
    for name in plugins.names(method.PACKAGE):
        kind = method.look_up(name).QUANTIZES
        if kind is None:
            continue
        made = ranged if kind == "int8" else whole
        harms = {one.operator.split(";")[-1]: one.error for one in made.harms(kind)}
        found[name] = {"all": made.error(made.quantize(kind)), **harms}
    return found
