"""The flatbuffer in its interpreter: one input, any number of outputs, quantized or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Network:
    """A flatbuffer that is ready to run.

    Attributes:
      input: what it takes: {"dtype": name, "shape": [1, ...]}.
    """

    def __init__(self, flatbuffer: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(flatbuffer), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.input = {"dtype": np.dtype(self._input["dtype"]).name, "shape": self._input["shape"].tolist()}

    def run(self, inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs for one example of the input's shape without the batch: each without the batch, too."""
        self._interpreter.set_tensor(self._input["index"], inputs[np.newaxis])
        self._interpreter.invoke()
        return [self._read(output) for output in self._outputs]

    def _read(self, output: dict[str, Any]) -> NDArray[np.float32]:
        values = np.asarray(self._interpreter.get_tensor(output["index"])[0], np.float32)
        scale, zero = output["quantization"]
        if scale:  # answers in integers
            values = (values - np.float32(zero)) * np.float32(scale)
        return values
