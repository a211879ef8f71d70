"""Shorter numbers beside integer weights: their scales, and the biases of the operators that they belong to.

float32 has 24 significant bits and an int32 bias up to 31, of which a packer finds nothing to save. With twelve of them
a weight is off by a thirtieth of a step of int8 at most, where rounding it has cost up to half a step already.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIGNIFICANT = 12
_FLOAT32 = 24
Array = np.ndarray[Any, Any]


def shorten(model: Any) -> None:
    """Of a flatbuffer as the object API has it, in place; one without integer weights stays as it is."""
    from ai_edge_litert import schema_py_generated as schema

    integers = {schema.TensorType.INT8, schema.TensorType.INT4}
    operators = {
        schema.BuiltinOperator.CONV_2D,
        schema.BuiltinOperator.DEPTHWISE_CONV_2D,
        schema.BuiltinOperator.FULLY_CONNECTED,
    }

    def constant(tensor: Any) -> bool:
        data = model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.type in integers and constant(tensor):
                _scales(tensor)
        for operator in graph.operators:
            inputs = operator.inputs if operator.inputs is not None else []
            if model.operatorCodes[operator.opcodeIndex].builtinCode not in operators or len(inputs) < 3:
                continue
            kernel, bias = (graph.tensors[place] for place in inputs[1:3])
            if inputs[2] < 0 or kernel.type not in integers or not (constant(kernel) and constant(bias)):
                continue
            _scales(bias)
            kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT32: np.int32}
            if bias.type in kinds:
                # A buffer of its own: something else may use the same constant.
                data = np.ascontiguousarray(model.buffers[bias.buffer].data, np.uint8).view(kinds[bias.type])
                model.buffers.append(schema.BufferT(data=rounded(data).view(np.uint8)))
                bias.buffer = len(model.buffers) - 1


def rounded(values: Array) -> Array:
    """The nearest numbers with so many significant bits; float32 or int32 [n]."""
    if values.dtype == np.float32:
        less = 1 << (_FLOAT32 - SIGNIFICANT)
        bits = values.view(np.uint32).astype(np.uint64)
        found: Array = ((bits + less // 2) // less * less).astype(np.uint32).view(np.float32)
        return np.where(np.isfinite(found), found, values)
    wide = values.astype(np.int64)
    steps = 2 ** np.maximum(np.frexp(np.abs(wide).astype(np.float64))[1] - SIGNIFICANT, 0).astype(np.int64)
    return ((wide + steps // 2) // steps * steps).astype(np.int32)


def _scales(tensor: Any) -> None:
    """Those of single channels; where there is one, there is nothing to save."""
    found = tensor.quantization and tensor.quantization.scale
    if found is not None and len(found) > 1:
        tensor.quantization.scale = rounded(np.ascontiguousarray(found, np.float32))
