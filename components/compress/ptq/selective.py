"""What the methods share that quantize by measured harm: convert, quantize, spare layers, and tell which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelmill.components.compress.ptq.quantizer import FallbackConfig, Kind, Quantizer

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


def export(
    model: tf_keras.Model,
    context: Context,
    method: str,
    fallback: FallbackConfig | None,
    examples: list[np.ndarray],
    kind: Kind,
    instead: Kind = "float32",
) -> bytes:
    """The served model as `kind`; with a fallback the layers that this harms most are `instead`, and reported.

    Args: examples: each a batch of one.
    """
    content = bytes(context.converter(model, kind == "int8").convert())
    found = Quantizer(content, context.samples(content, [one[0] for one in examples]))
    if fallback is None:
        return found.quantize(kind)
    result = found.sparing(kind, fallback.tolerance, instead)
    names = [layer.name for layer in model.layers if layer.weights]
    for harm in result.spared:
        parts = {part.removeprefix("quant_") for one in harm.operator.split(";") for part in one.split("/")}
        layer = next((name for name in names if name in parts), harm.operator)
        context.skip(
            layer, method, f"{instead}: {kind} alone makes an error of {harm.error:.2g} of the answers' spread"
        )
    return result.content
