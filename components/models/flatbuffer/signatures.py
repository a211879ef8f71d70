"""Run the signatures of a flatbuffer by their names, one example at a time, and move one of them to the front.

A flatbuffer holds one subgraph for each signature, and all of them share the buffers of the weights. What is of one
signature only (a latency, an arena) is measured on a flatbuffer that has it in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.models.flatbuffer import edit
from modelmill.components.upstream import flatbuffers_internals

# The signature of a model that has only one.
SERVING = "serving_default"
Arrays = dict[str, NDArray[Any]]
# Of each signature its calls: inputs, by their names, without the batch.
Samples = Mapping[str, Sequence[Mapping[str, NDArray[Any]]]]
# Of an operator's options: which subgraphs it calls.
_CALLED = (
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "subgraph",
    "initSubgraphIndex",
    "decompositionSubgraphIndex",
)


class Signatures:
    """A loaded flatbuffer with its signatures.

    Attributes:
      inputs: of each signature the dtype and the shape, without the batch of one, of each input, by their names.
    """

    def __init__(self, content: bytes | Path | str, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        given = {"model_content": content} if isinstance(content, bytes) else {"model_path": str(content)}
        self._interpreter = Interpreter(num_threads=threads, **given)
        names = self._interpreter.get_signature_list()
        self._runners = {name: self._interpreter.get_signature_runner(name) for name in names}
        self.inputs: dict[str, dict[str, tuple[np.dtype[Any], tuple[int, ...]]]] = {
            name: {
                key: (np.dtype(one["dtype"]), tuple(int(side) for side in one["shape"][1:]))
                for key, one in runner.get_input_details().items()
            }
            for name, runner in self._runners.items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._runners)

    def call(self, name: str, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Call a signature with one example.

        Args:
          name: of the signature.
          inputs: by their names, each of the input's shape without the batch.

        State that a recurrent model would carry from one call to the next is reset.

        Returns:
          The outputs by their names, without the batch; quantized ones as the float32 numbers that they stand for.

        Raises:
          KeyError: there is no such signature.
          ValueError: the inputs are not those of the signature.
        """
        wanted = self.inputs[name]
        if inputs.keys() != wanted.keys():
            raise ValueError(f"signature {name} takes {', '.join(sorted(wanted))}; found {', '.join(sorted(inputs))}")
        runner = self._runners[name]
        batches = {key: np.asarray(value, wanted[key][0])[np.newaxis] for key, value in inputs.items()}
        self._interpreter.reset_all_variables()
        details = runner.get_output_details()
        return {key: _dequantized(value[0], details[key]["quantization"]) for key, value in runner(**batches).items()}


def _dequantized(values: NDArray[Any], quantization: tuple[float, int]) -> NDArray[Any]:
    """Return (value - zero point) x scale; a scale of 0 says that the values are no quantized ones."""
    scale, zero = quantization
    return (np.asarray(values, np.float32) - np.float32(zero)) * np.float32(scale) if scale else values


def names(content: bytes) -> list[str]:
    """Return the names of the signatures, sorted."""
    return sorted(one.signatureKey.decode() for one in edit.read(content).signatureDefs or [])


def in_front(content: bytes, name: str) -> bytes:
    """Return the flatbuffer with the subgraph of a signature as its first: the one that runtimes run by default.

    Raises:
      KeyError: there is no such signature.
    """
    model = edit.read(content)
    places = {one.signatureKey.decode(): one.subgraphIndex for one in model.signatureDefs or []}
    place = places[name]
    if not place:
        return content
    moved = {0: place, place: 0}
    model.subgraphs[0], model.subgraphs[place] = model.subgraphs[place], model.subgraphs[0]
    for one in model.signatureDefs:
        one.subgraphIndex = moved.get(one.subgraphIndex, one.subgraphIndex)
    for operator in (operator for graph in model.subgraphs for operator in graph.operators):
        for options in (operator.builtinOptions, operator.builtinOptions2):
            for key in set(_CALLED) & set(vars(options) if options is not None else ()):
                called = getattr(options, key)
                setattr(options, key, moved.get(called, called))
    return flatbuffers_internals.pack(model, edit.IDENTIFIER)
