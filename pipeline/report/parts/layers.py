"""The kernels of a flatbuffer: what they were, and what became of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report import words
from pipeline.report.recorded import Recorded


def make(run: Recorded) -> dict[str, Any] | None:
    """The kernels of the chosen flatbuffer, and what they were in the float one."""
    folder = run.path("compress", "report", "trials")
    small = run.path("compress", "model", "model.tflite")
    if folder is None or small is None:
        return None
    before = kernels(folder / "0" / "model.tflite") if (folder / "0" / "model.tflite").is_file() else []
    after = kernels(small)
    paired = [one["shape"] for one in before] == [one["shape"] for one in after]
    rows = []
    for place, one in enumerate(after):
        was = before[place]["bytes"] if paired else None
        shape = " × ".join(map(str, one["shape"]))
        name = before[place]["name"] if paired else one["name"]
        rows.append([name, shape, one["type"], f"{one['zeros']:.0%}", words.size(was), words.size(one["bytes"])])
    said = {"columns": ["kernel", "shape", "numbers", "zeros", "bytes before", "bytes after"], "rows": rows}
    if not rows:
        return None
    total = sum(one["bytes"] for one in after)
    zeros = sum(one["bytes"] * one["zeros"] for one in after) / total
    largest = max(range(len(after)), key=lambda place: after[place]["bytes"])
    share = after[largest]["bytes"] / total
    count, name = words.plural(len(rows), "kernel"), rows[largest][0]
    says = f"{count}, {zeros:.0%} zeros; the largest, {name}, holds {share:.0%} of their bytes."
    return {**said, "says": says}


def _layer(tensor: str) -> str:
    """The layer in the name of its kernel, such as model/cnn/re_lu/Relu;model/cnn/conv2d/Conv2D."""
    parts = [part.split("/") for part in tensor.split(";")]
    kernel = next((part for part in parts if re.match(r".*(Conv|MatMul|Einsum)", part[-1])), parts[0])
    return kernel[-2 if len(kernel) > 1 else -1].removeprefix("quant_")


def kernels(path: Path) -> list[dict[str, Any]]:
    """The constants of two or more dimensions in a flatbuffer, in its own order: name, shape, type, zeros, bytes."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    types = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
    }
    names = {
        schema.TensorType.FLOAT32: "32-bit float",
        schema.TensorType.FLOAT16: "16-bit float",
        schema.TensorType.INT8: "8-bit integer",
    }
    graph, found = model.subgraphs[0], []
    order = [index for operator in graph.operators for index in operator.inputs if index >= 0]
    for index in dict.fromkeys(order):
        tensor = graph.tensors[index]
        content = model.buffers[tensor.buffer].data
        if content is None or tensor.type not in types or tensor.shape is None or len(tensor.shape) < 2:
            continue
        values = np.asarray(content, np.uint8).view(types[tensor.type])
        found.append(
            {
                "name": _layer(tensor.name.decode(errors="replace")),
                "shape": [int(side) for side in tensor.shape],
                "type": names[tensor.type],
                "zeros": float(np.mean(values == 0)),
                "bytes": len(content),
            }
        )
    return found
