"""Mend outputs that operators read, too: litert-quantizer hands those the float32 copy that is for the caller.

A cache, say, is an output of a decoding step and goes on into the head. Its integer operator would then be given
float32 numbers, and LiteRT refuses to load it.
"""

from __future__ import annotations

from typing import Any

from modelmill.components.models.flatbuffer import edit
from modelmill.components.upstream import flatbuffers_internals


def reread(content: bytes) -> bytes:
    """Return the flatbuffer with integer operators that read integers, not the float32 copies which are outputs."""
    from ai_edge_litert import schema_py_generated as schema

    model, changed = edit.read(content), False
    for graph in model.subgraphs:
        copies = _copies(model, graph, schema)
        for operator in graph.operators:
            if any(graph.tensors[made].type == schema.TensorType.INT8 for made in operator.outputs) and any(
                int(taken) in copies for taken in operator.inputs
            ):
                if edit.builtin(model, operator) == schema.BuiltinOperator.QUANTIZE:
                    continue  # it takes float32
                operator.inputs = [copies.get(int(taken), int(taken)) for taken in operator.inputs]
                changed = True
    return flatbuffers_internals.pack(model, edit.IDENTIFIER) if changed else content


def _copies(model: Any, graph: Any, schema: Any) -> dict[int, int]:
    """Return the subgraph's outputs that are float32 copies, each with the tensor that it is a copy of."""
    ends = set(map(int, graph.outputs))
    return {
        int(operator.outputs[0]): int(operator.inputs[0])
        for operator in graph.operators
        if edit.builtin(model, operator) == schema.BuiltinOperator.DEQUANTIZE and int(operator.outputs[0]) in ends
    }
