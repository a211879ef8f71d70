"""Runs a flatbuffer as a device would: LiteRT, one thread, one example at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.models import frontend


class Flatbuffer:
    """A loaded flatbuffer with one input and one output."""

    def __init__(self, path: Path | str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def predict(self, example: NDArray[np.generic]) -> NDArray[np.float32]:
        """One example, of the input's shape without the batch, to its probabilities float32 [classes].

        State that a recurrent model would carry from one example to the next is reset.
        """
        self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._input, example[np.newaxis])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)[0], np.float32)

    def predict_all(self, examples: Iterable[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Examples to probabilities float32 [examples, classes]."""
        return np.stack([self.predict(example) for example in examples])

    def seconds(self, example: NDArray[np.generic]) -> float:
        """Time of one invocation."""
        self._interpreter.set_tensor(self._input, example[np.newaxis])
        start = time.perf_counter()
        self._interpreter.invoke()
        return time.perf_counter() - start


def latencies_ms(models: list[Flatbuffer], example: NDArray[np.generic], rounds: int = 100) -> list[float]:
    """Median milliseconds of one example on one thread, per model; taken in turn, so that all meet the same noise."""
    for model in models:
        for _ in range(5):
            model.seconds(example)
    times = [[model.seconds(example) for model in models] for _ in range(rounds)]
    return [float(np.median(column) * 1000) for column in zip(*times, strict=True)]


def zeros(path: Path | str) -> float:
    """Share of zeros in the kernels (constants of two or more dimensions) of the network in the flatbuffer."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(Path(path).read_bytes(), 0)
    types = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
    }
    zero = total = 0
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is None or tensor.type not in types or tensor.shape is None or len(tensor.shape) < 2:
                continue
            if tensor.name.startswith(f"{frontend.NAME}/".encode()):
                continue  # bands of frequencies, mostly zeros by nature
            values = np.asarray(data, np.uint8).view(types[tensor.type])
            zero += int(np.count_nonzero(values == 0))
            total += values.size
    return zero / total if total else 0.0
