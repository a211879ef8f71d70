"""Tables of embeddings in a flatbuffer: the operator that the quantizer gives few bits.

Keras' Embedding converts to GATHER, whose weights litert-quantizer leaves alone unless all activations are integers.
EMBEDDING_LOOKUP does the same of a flat list of ids, and may keep its table in eight or four bits, each row with a
scale of its own; its answers are float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelmill.components.models.flatbuffer import edit


def looked_up(content: bytes) -> bytes:
    """A float32 flatbuffer whose every GATHER of rows of a constant matrix is an EMBEDDING_LOOKUP; answers stay."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    found = [
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if _is_table(model, graph, operator, schema)
    ]
    if not found:
        return content
    for graph, operator in found:
        _replace(model, graph, operator, schema)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _is_table(model: Any, graph: Any, operator: Any, schema: Any) -> bool:
    """Whether it takes rows of a constant float32 matrix by int32 ids, whose number is known."""
    if edit.builtin(model, operator) != schema.BuiltinOperator.GATHER:
        return False
    table, ids, kinds = graph.tensors[operator.inputs[0]], graph.tensors[operator.inputs[1]], schema.TensorType
    data, options = model.buffers[table.buffer].data, operator.builtinOptions
    constant = data is not None and len(data) > 0 and table.type == kinds.FLOAT32 and len(table.shape) == 2
    by_rows = options is None or (options.axis == 0 and options.batchDims == 0)
    fixed = ids.shapeSignature is None or all(side > 0 for side in ids.shapeSignature)
    return bool(constant and by_rows and fixed and ids.type == kinds.INT32 and ids.shape is not None)


def _replace(model: Any, graph: Any, operator: Any, schema: Any) -> None:
    """GATHER(table, ids) becomes RESHAPE(EMBEDDING_LOOKUP(RESHAPE(ids), table)); the lookup keeps the name."""
    table, ids = (int(index) for index in operator.inputs[:2])
    made = int(operator.outputs[0])
    shape, count = list(graph.tensors[made].shape), int(np.prod(graph.tensors[ids].shape))
    name = graph.tensors[made].name.decode()
    width = int(graph.tensors[table].shape[1])
    flat = _tensor(graph, schema, f"{name}/ids", [count], schema.TensorType.INT32)
    rows = _tensor(graph, schema, name, [count, width], schema.TensorType.FLOAT32)
    graph.tensors[made].name = f"{name}/rows".encode()
    steps = [
        _reshape(model, graph, schema, ids, flat, [count]),
        _operator(model, schema, "EMBEDDING_LOOKUP", [flat, table], [rows]),
        _reshape(model, graph, schema, rows, made, shape),
    ]
    place = next(number for number, one in enumerate(graph.operators) if one is operator)
    graph.operators[place : place + 1] = steps


def _reshape(model: Any, graph: Any, schema: Any, taken: int, made: int, shape: list[int]) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.array(shape, np.int32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    name = f"{graph.tensors[made].name.decode()}/shape"
    to = _tensor(graph, schema, name, [len(shape)], schema.TensorType.INT32, len(model.buffers) - 1)
    operator = _operator(model, schema, "RESHAPE", [taken, to], [made])
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = shape
    return operator


def _tensor(graph: Any, schema: Any, name: str, shape: list[int], kind: int, buffer: int = 0) -> int:
    """The place of a new tensor; buffer 0 is the empty one."""
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), shape, kind, buffer
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model: Any, schema: Any, name: str, taken: list[int], made: list[int]) -> Any:
    """A new one; its code is added to the model's if it is not there."""
    wanted = getattr(schema.BuiltinOperator, name)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    if wanted not in codes:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = wanted
        # From version 3 on tables of few bits have a scale for each row.
        code.version = 3 if name == "EMBEDDING_LOOKUP" else 1
        model.operatorCodes.append(code)
        codes.append(wanted)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = codes.index(wanted), taken, made
    return operator
