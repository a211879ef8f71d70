"""Puts one flatbuffer behind another, and leaves out of one what no device reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.flatbuffer import round_scales
from modelmill.components.upstream import flatbuffers_internals

IDENTIFIER = b"TFL3"
# What a runtime may ask of a file's metadata; the converter adds a record of itself.
METADATA = (b"min_runtime_version",)


def read(content: bytes) -> Any:
    """A flatbuffer as the object API has it, with all constants in their buffers.

    litert-quantizer puts large ones behind the end of the flatbuffer proper, where the schema's own reader leaves them.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 stand for none
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def builtin(model: Any, operator: Any) -> int:
    """Return which of the schema's BuiltinOperator an operator is: older flatbuffers have the code in another field."""
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def chain(first: bytes, second: bytes, prefix: str) -> bytes:
    """A flatbuffer that hands the only output of `first` to the only input of `second`.

    Args:
      first: its tensors get names that begin with `prefix` and a slash.
      second: its input must have the type of the first one's output.
      prefix: by which the two parts can be told apart.

    Raises:
      ValueError: they do not fit.
    """
    model, other = read(first), read(second)
    if len(model.subgraphs) != 1 or len(other.subgraphs) != 1:
        raise ValueError("a flatbuffer with control flow can't be put together with another one")
    graph, added = model.subgraphs[0], other.subgraphs[0]
    (seam,), (entry,) = graph.outputs, added.inputs
    if graph.tensors[seam].type != added.tensors[entry].type:
        raise ValueError(f"the types at the seam differ: {graph.tensors[seam].type} and {added.tensors[entry].type}")
    for tensor in graph.tensors:
        tensor.name = f"{prefix}/".encode() + tensor.name
    places = np.arange(len(added.tensors)) + len(graph.tensors)
    places[entry] = seam

    def moved(indices: Any) -> Any:
        """-1 is an input that was left out."""
        return None if indices is None else [int(places[index]) if index >= 0 else -1 for index in indices]

    for tensor in added.tensors:
        tensor.buffer += len(model.buffers)
    for operator in added.operators:
        operator.opcodeIndex += len(model.operatorCodes)
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
        operator.intermediates = moved(operator.intermediates)
    model.operatorCodes += other.operatorCodes
    model.buffers += other.buffers
    graph.tensors += added.tensors
    graph.operators += added.operators
    graph.outputs = moved(added.outputs)
    for signature, behind in zip(model.signatureDefs or [], other.signatureDefs or [], strict=False):
        signature.outputs = behind.outputs
        for output in signature.outputs:
            output.tensorIndex = int(places[output.tensorIndex])
    return flatbuffers_internals.pack(model, IDENTIFIER)


def slim(content: bytes, layers: Collection[str]) -> bytes:
    """The same flatbuffer without what no device reads; operators and weights stay as they are.

    Of a tensor's name, which can be longer than its numbers, the layer is kept; tensors with the same numbers share a
    buffer, those without any the empty one. What goes with integer weights is shortened: see round_scales.py.

    Args: layers: names of the model's layers, by which parts of the flatbuffer are told.
    """
    model = read(content)
    for graph in model.subgraphs:
        ends = {*map(int, graph.inputs), *map(int, graph.outputs)}
        for place, tensor in enumerate(graph.tensors):
            if place not in ends:
                data = model.buffers[tensor.buffer].data
                constant = data is not None and len(data) > 0
                tensor.name = _short(tensor.name.decode(errors="replace"), layers, constant).encode()
    round_scales.shorten(model)
    kept, places = [model.buffers[0]], {b"": 0}  # by the format the first one is empty

    def moved(place: int) -> int:
        data = model.buffers[place].data
        content = b"" if data is None else np.ascontiguousarray(data, np.uint8).tobytes()
        if content not in places:
            places[content] = len(kept)
            kept.append(model.buffers[place])
        return places[content]

    model.metadata = [one for one in model.metadata or [] if one.name in METADATA]
    for holder in [*model.metadata, *(tensor for graph in model.subgraphs for tensor in graph.tensors)]:
        holder.buffer = moved(int(holder.buffer))
    model.buffers = kept
    return flatbuffers_internals.pack(model, IDENTIFIER)


def _short(name: str, layers: Collection[str], constant: bool) -> str:
    """The layer's name alone, or nothing; what belongs to the front-end still says so.

    Numbers keep some name: a kernel that an operation behind its layer was folded into has that operation's.
    """
    if name.startswith(f"{audio_frontend.NAME}/"):
        return f"{audio_frontend.NAME}/"
    parts = [part.removeprefix("quant_") for one in name.split(";") for part in one.split("/")]
    own = name.split(";")[0].split("/")
    return next((part for part in parts if part in layers), own[-2:][0] if constant else "")
