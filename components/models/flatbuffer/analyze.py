"""What a flatbuffer consists of: multiplications, parameters, and layer by layer its kernels and what they are made of.

Counted in the flatbuffer itself, so in what a device runs: batch normalisations are folded, dead branches gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.flatbuffer import edit

# Of operators with weights: the places of their weights, the kernel first.
WEIGHTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "BATCH_MATMUL": (1, 0),
    "GATHER": (0,),
    "EMBEDDING_LOOKUP": (1,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 18)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 3),
    "PRELU": (1,),
}
# Their constants are weights unless they only prepare the input: then they are its mean and deviation.
ELEMENTWISE = {"ADD", "MUL", "SUB", "DIV"}
PREPARING = ELEMENTWISE | {"CAST", "QUANTIZE", "DEQUANTIZE", "RESHAPE", "TRANSPOSE", "EXPAND_DIMS"}


@dataclass(frozen=True)
class Kernel:
    """The kernel of one operator.

    Attributes:
      names: of the tensors, among which is the layer's, such as cnn/conv2d/Conv2D.
      operator: such as CONV_2D.
      shape: of the kernel as the flatbuffer has it.
      bits: of each weight.
      activations: bits of what the operator takes; 32 if it computes in float.
      zeros, distinct: share of zeros, number of different values.
      bytes: of the kernel.
      macs: multiplications of one example.
    """

    names: tuple[str, ...]
    operator: str
    shape: tuple[int, ...]
    bits: int
    activations: int
    zeros: float
    distinct: int
    bytes: int
    macs: int


@dataclass
class Anatomy:
    """Of one flatbuffer.

    Attributes:
      macs: multiplications of one example; None where a loop's number of rounds is not known.
      parameters: weights and biases.
      kernels: in the order in which they are used.
      operators: the names of all, each once.
    """

    macs: int | None = 0
    parameters: int = 0
    kernels: list[Kernel] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)

    @property
    def sparsity(self) -> float:
        """Share of zeros in all kernels."""
        sizes = [int(np.prod(one.shape)) for one in self.kernels]
        zeros = sum(one.zeros * size for one, size in zip(self.kernels, sizes, strict=True))
        return zeros / sum(sizes) if sum(sizes) else 0.0


def read(path: Path | str) -> Anatomy:
    """Takes a flatbuffer apart."""
    from ai_edge_litert import schema_py_generated as schema

    model = edit.read(Path(path).read_bytes())
    found, counted = Anatomy(), set[int]()
    rounds = _rounds(model, schema)
    if None in rounds.values():
        found.macs = None
    for number, graph in enumerate(model.subgraphs):
        part, times = _Graph(model, graph, schema), rounds.get(number) or 1
        for name, operator in _operators(model, graph, schema):
            found.operators += [] if name in found.operators else [name]
            weights = part.visit(name, operator)
            for tensor in weights:
                if graph.tensors[tensor].buffer not in counted:
                    counted.add(graph.tensors[tensor].buffer)
                    found.parameters += part.size(tensor)
            macs = times * part.macs(name, operator)
            kernel = part.kernel(name, operator, weights)
            found.kernels += [replace(kernel, macs=macs)] if kernel else []
            if found.macs is not None:
                found.macs += macs
    return found


def _operators(model: Any, graph: Any, schema: Any) -> Iterator[tuple[str, Any]]:
    """The operators of a subgraph with their names."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for operator in graph.operators:
        yield names[edit.builtin(model, operator)], operator


def _rounds(model: Any, schema: Any) -> dict[int, int | None]:
    """Of each loop's body: how often it runs, if the loop counts from 0 to a constant."""
    found: dict[int, int | None] = {}
    for graph in model.subgraphs:
        for name, operator in _operators(model, graph, schema):
            if name != "WHILE":
                continue
            condition = model.subgraphs[operator.builtinOptions.condSubgraphIndex]
            asked = [one.inputs[1] for less, one in _operators(model, condition, schema) if less == "LESS"]
            data = model.buffers[condition.tensors[asked[0]].buffer].data if len(condition.operators) == 1 else None
            times = None if data is None or len(data) != 4 else int(np.asarray(data).view(np.int32)[0])
            found[operator.builtinOptions.bodySubgraphIndex] = times
    return found


class _Graph:
    """One subgraph, operator by operator."""

    def __init__(self, model: Any, graph: Any, schema: Any) -> None:
        self._buffers, self._tensors, self._schema = model.buffers, graph.tensors, schema
        self._raw = {int(index) for index in graph.inputs}
        self._sources: dict[int, int] = {}  # of weights that are widened before use: what they are stored as

    def visit(self, name: str, operator: Any) -> list[int]:
        """The constants that are weights, the kernel first; keeps in mind what only prepares the input."""
        inputs = [int(index) for index in operator.inputs if index >= 0]
        variable = [index for index in inputs if self._data(index) is None]
        if name in ("DEQUANTIZE", "DENSIFY") and not variable:
            self._sources[int(operator.outputs[0])] = self._source(inputs[0])
            return []
        if name in PREPARING and variable and all(index in self._raw for index in variable):
            self._raw |= {int(index) for index in operator.outputs}
            return []
        if name in WEIGHTS:
            places = [int(operator.inputs[place]) for place in WEIGHTS[name] if place < len(operator.inputs)]
        else:
            places = inputs if name in ELEMENTWISE else []
        weights = [self._source(index) for index in places if index >= 0 and self._data(index) is not None]
        # Bands of frequencies and the like prepare the input, too; they are no one's weights.
        return [one for one in weights if not self._tensors[one].name.startswith(f"{audio_frontend.NAME}/".encode())]

    def kernel(self, name: str, operator: Any, weights: list[int]) -> Kernel | None:
        """What its kernel is like; None if it has none."""
        if name not in WEIGHTS or not weights or len(self._shape(weights[0])) < 2:
            return None
        recurrent = name.startswith("UNIDIRECTIONAL")  # of which each gate has a kernel of its own
        matrices = [one for one in weights if len(self._shape(one)) > 1] if recurrent else weights[:1]
        values = np.concatenate([self.values(one) for one in matrices])
        shape = self._shape(weights[0])
        if recurrent:
            rows = shape[0] * (4 if name.endswith("LSTM") else 1)
            shape = [rows, len(values) // rows]
        tensor = self._tensors[weights[0]]
        answer = self._tensors[operator.outputs[0]].name.decode(errors="replace")
        taken = next((index for index in operator.inputs if index >= 0 and self._data(index) is None), None)
        return Kernel(
            names=(tensor.name.decode(errors="replace"), answer),
            operator=name,
            shape=tuple(shape),
            bits=self._bits(weights[0]),
            activations=32 if taken is None else self._bits(int(taken)),
            zeros=float(np.mean(values == 0)),
            distinct=len(np.unique(values)),
            bytes=sum(len(self._buffers[self._tensors[one].buffer].data) for one in matrices),
            macs=self.macs(name, operator),
        )

    def macs(self, name: str, operator: Any) -> int:
        """Multiplications that are added up, of one example."""
        if name not in WEIGHTS or name in ("GATHER", "EMBEDDING_LOOKUP", "PRELU"):
            return 0
        made = int(np.prod(self._shape(int(operator.outputs[0]))))
        kernel = self._shape(int(operator.inputs[1]))
        if name == "CONV_2D":
            return made * int(np.prod(kernel[1:]))
        if name == "DEPTHWISE_CONV_2D":
            return made * int(np.prod(kernel[1:3]))
        if name == "TRANSPOSE_CONV":
            return int(np.prod(self._shape(int(operator.inputs[2])))) * int(np.prod(kernel[:3]))
        if name == "FULLY_CONNECTED":
            return made * int(kernel[-1])
        if name == "BATCH_MATMUL":
            return made * int(self._shape(int(operator.inputs[0]))[-2 if operator.builtinOptions.adjX else -1])
        weights = [index for index in operator.inputs[1:] if index >= 0 and self._data(int(index)) is not None]
        rounds = self._shape(int(operator.inputs[0]))[0 if operator.builtinOptions.timeMajor else 1]
        return int(rounds) * sum(int(np.prod(one)) for one in map(self._shape, weights) if len(one) == 2)

    def size(self, index: int) -> int:
        """Number of values."""
        return int(np.prod(self._shape(index)))

    def values(self, index: int) -> NDArray[Any]:
        """Of a constant, flat; those of four bits unpacked, the lower half of a byte first."""
        types, tensor = self._schema.TensorType, self._tensors[index]
        content = np.asarray(self._data(index), np.uint8)
        if tensor.type == types.INT4:
            halves = np.stack([content & 15, content >> 4], axis=1).reshape(-1)[: self.size(index)].astype(np.int8)
            return np.where(halves > 7, halves - 16, halves)
        kinds = {types.FLOAT32: np.float32, types.FLOAT16: np.float16, types.INT8: np.int8, types.INT16: np.int16}
        return content.view(kinds.get(tensor.type, np.uint8))

    def _source(self, index: int) -> int:
        return self._sources.get(index, index)

    def _data(self, index: int) -> Any:
        data = self._buffers[self._tensors[self._source(index)].buffer].data
        return data if data is not None and len(data) else None

    def _shape(self, index: int) -> list[int]:
        shape = self._tensors[index].shape
        return [] if shape is None else [int(side) for side in shape]

    def _bits(self, index: int) -> int:
        types = self._schema.TensorType
        small = {types.FLOAT16: 16, types.INT16: 16, types.INT8: 8, types.UINT8: 8, types.INT4: 4}
        return small.get(self._tensors[index].type, 32)


def layers(found: Anatomy, names: list[str]) -> Iterator[tuple[str, Kernel]]:
    """Each kernel with the layer it belongs to; the last part of its own name where none of `names` is in it.

    Args:
      names: of the model's layers.
    """
    known = set(names)
    for kernel in found.kernels:
        parts = [
            part.removeprefix("quant_") for name in kernel.names for one in name.split(";") for part in one.split("/")
        ]
        own = kernel.names[0].split(";")[0].split("/")
        yield next((part for part in parts if part in known), own[-2] if len(own) > 1 else own[-1]), kernel
