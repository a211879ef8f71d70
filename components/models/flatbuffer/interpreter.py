"""Runs a flatbuffer as a device would: LiteRT, one example at a time; and measures how long it takes in what memory."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Calls of each model behind a latency; before them some to warm up.
CALLS, WARMING = 200, 10


class Flatbuffer:
    """A loaded flatbuffer with one input and one output."""

    def __init__(self, path: Path | str, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        (answer,) = self._interpreter.get_output_details()
        self._output = answer["index"]
        # What the answers come in: scale 0 is as they are, else each is (value - zero) x scale.
        self._scale, self._zero = answer["quantization"]
        self.output = {"dtype": np.dtype(answer["dtype"]).name}
        if self._scale:
            self.output |= {"scale": float(self._scale), "zero_point": int(self._zero)}

    def predict(self, example: NDArray[np.generic]) -> NDArray[np.float32]:
        """One example, of the input's shape without the batch, to its probabilities float32 [classes].

        State that a recurrent model would carry from one example to the next is reset.
        """
        self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._input, example[np.newaxis])
        self._interpreter.invoke()
        answer = np.asarray(self._interpreter.get_tensor(self._output)[0], np.float32)
        return (answer - np.float32(self._zero)) * np.float32(self._scale) if self._scale else answer

    def predict_all(self, examples: Iterable[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Examples to probabilities float32 [examples, classes]."""
        return np.stack([self.predict(example) for example in examples])

    def seconds(self, example: NDArray[np.generic]) -> float:
        """Time of one invocation."""
        self._interpreter.set_tensor(self._input, example[np.newaxis])
        start = time.perf_counter()
        self._interpreter.invoke()
        return time.perf_counter() - start


def latencies_ms(models: list[Flatbuffer], example: NDArray[np.generic], calls: int = CALLS) -> list[dict[str, float]]:
    """Milliseconds of one example, per model; taken in turn, so that all meet the same noise.

    Returns:
      Of each model median, p95 and p99; and ratio, the median of what it took relative to the last model's call of the
      same round.
    """
    for model in models:
        for _ in range(WARMING):
            model.seconds(example)
    times = np.array([[model.seconds(example) for model in models] for _ in range(calls)]) * 1000
    ratios = np.median(times / times[:, -1:], axis=0)
    middle, high, highest = np.percentile(times, (50, 95, 99), axis=0)
    columns = zip(middle, high, highest, ratios, strict=True)
    return [dict(zip(("median", "p95", "p99", "ratio"), map(float, column), strict=True)) for column in columns]


def arena_bytes(path: Path | str) -> int:
    """Return the memory that LiteRT's own kernels share out among activations, intermediate results and state.

    The lengths of what its planner has laid out, overlapping parts counted once; without delegates, as on a device
    that has none. The buffers of the weights are not among it. Each signature has an arena of its own: their sum.
    """
    from modelmill.components.models.flatbuffer import signatures

    content = Path(path).read_bytes()
    names = signatures.names(content)
    return sum(_arena(signatures.in_front(content, name)) for name in names) if len(names) > 1 else _arena(content)


def _arena(content: bytes) -> int:
    """Return the arena of the first subgraph."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from modelmill.components.models.flatbuffer import edit

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    model = edit.read(content)
    graph, spans = model.subgraphs[0], []
    for index in (detail["index"] for detail in interpreter.get_tensor_details()):
        data = model.buffers[graph.tensors[index].buffer].data if index < len(graph.tensors) else None
        if data is not None and len(data):
            continue  # a weight
        try:
            values = interpreter.tensor(index)()
        except (ValueError, RuntimeError):  # never laid out: a branch that is not taken, a size known only later
            continue
        start = values.__array_interface__["data"][0]
        spans.append((start, start + values.nbytes))
    total, end = 0, 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total
