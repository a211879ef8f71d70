"""flatbuffers, the package: its builder does not align constants, and writes equal vectors each anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelmill.components.upstream import guard

FLATBUFFERS = guard.Library("flatbuffers", ">=25.12,<26")
# Readers map the file and take constants from where they lie.
ALIGNMENT = 16
# Vectors of numbers of at least so many bytes are written once; of shorter ones packing makes less without that.
SHARED = 40


def pack(model: Any, identifier: bytes) -> bytes:
    """Return the file of a model of the object API, constants aligned, equal vectors written once.

    The generated code writes constants byte by byte at any address; LiteRT reads them where they lie.

    Args:
      model: ModelT of ai_edge_litert's schema.
      identifier: of the file, four bytes.
    """
    guard.require(FLATBUFFERS, "Builder.head")
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class Buffer(schema.BufferT):
        def Pack(self, builder: Any) -> Any:
            data = np.ascontiguousarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(data), ALIGNMENT)
            builder.head = builder.head - len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            place = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, place)
            return schema.BufferEnd(builder)

    written: dict[tuple[str, bytes], int] = {}

    class Builder(flatbuffers.Builder):
        def CreateNumpyVector(self, x: Any) -> Any:
            # Most of all the zero points of channels: eight zero bytes for each of them.
            key = x.dtype.str, x.tobytes()
            if x.nbytes < SHARED or key not in written:
                written[key] = super().CreateNumpyVector(x)
            return written[key]

    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.__class__ = Buffer
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=identifier)
    return bytes(builder.Output())
