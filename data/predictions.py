"""Recorded predictions: what two models answered to each example of a split, and how that is written. No TensorFlow.

A record is the compact form in which a task keeps an answer and its label (Task.record): named fields of numbers. It is
serialized as a layout, which names each field with its type and shape, followed by the fields' bytes, little-endian.
"""

from __future__ import annotations

import gzip
import heapq
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data.core import files

# The two models, in TFMA's evaluation and in metrics.json.
FLOAT, COMPRESSED = "float", "compressed"
PREFIX = "predictions"
FORMAT = b"modelmill predictions 1\n"  # the first bytes of a file, before its predictions, each with its length
SHARD = 20_000  # predictions in a file
_LENGTHS = struct.Struct("<III")
_LENGTH = struct.Struct("<I")
# No objects, no text: bool, integers and floats of a fixed size.
_FIELD = re.compile(r"([A-Za-z_][\w.-]*):([|<][biuf]\d+):([\d,]*)")
Value = str | int | float


@dataclass(frozen=True)
class Prediction:
    """What was recorded of one example.

    Attributes:
      content: hex digest of its raw content.
      slices: raw values by feature: its label, and whatever else examples are sliced by; no entry for an empty cell.
      exact: the serialized record of the float model.
      compressed: that of the flatbuffer.
    """

    content: str
    slices: Mapping[str, tuple[Value, ...]]
    exact: bytes
    compressed: bytes

    def to_bytes(self) -> bytes:
        """Return the serialized form: three lengths, and JSON, the float model's record, the flatbuffer's."""
        about = json.dumps(
            {"content": self.content, "slices": {name: list(found) for name, found in self.slices.items()}},
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
        parts = (about, self.exact, self.compressed)
        return _LENGTHS.pack(*map(len, parts)) + b"".join(parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> Prediction:
        """Read what `to_bytes` wrote. Raises ValueError if it is something else."""
        if len(content) < _LENGTHS.size:
            raise ValueError(f"recorded prediction: found {len(content)} bytes, at least {_LENGTHS.size} are needed")
        first, second, third = _LENGTHS.unpack_from(content)
        if _LENGTHS.size + first + second + third != len(content):
            raise ValueError(f"recorded prediction: its lengths do not add up to its {len(content)} bytes")
        begin = _LENGTHS.size + first
        about = json.loads(content[_LENGTHS.size : begin])
        slices = {name: tuple(found) for name, found in about["slices"].items()}
        return cls(about["content"], slices, content[begin : begin + second], content[begin + second :])


def serialize(recorded: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Return the records of a batch, one of each example, of fields [batch, ...] of numbers."""
    fields = [(name, value.dtype.newbyteorder("<"), value.shape[1:]) for name, value in recorded.items()]
    layout = ";".join(f"{name}:{kind.str}:{','.join(map(str, shape))}" for name, kind, shape in fields).encode()
    rows = np.zeros(len(next(iter(recorded.values()))), _dtype(layout))
    for name, value in recorded.items():
        rows[name] = value
    head = _LENGTH.pack(len(layout)) + layout
    return [head + row.tobytes() for row in rows]


def deserialize(records: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    """Read records of one layout, at least one, into fields [records, ...]. Raises ValueError if it is not one."""
    head = _head(records[0])
    if any(not record.startswith(head) or len(record) != len(records[0]) for record in records):
        other = next(one for one in records if not one.startswith(head) or len(one) != len(records[0]))
        raise ValueError(f"records of two layouts in one batch: {head[4:]!r} and {_head(other)[4:]!r}")
    dtype = _dtype(head[_LENGTH.size :])
    if len(records[0]) != len(head) + dtype.itemsize:
        size = len(records[0]) - len(head)
        raise ValueError(f"record: found {size} bytes of fields, {dtype.itemsize} by its layout {head[4:]!r}")
    rows = np.frombuffer(b"".join(record[len(head) :] for record in records), dtype)
    return {name: rows[name] for name in dtype.names or ()}


def read(folder: str) -> Iterator[Prediction]:
    """Yield the predictions of a Predictions artifact in the order of their content, a few KB in memory at a time."""
    for path in paths(folder):
        yield from read_file(path)


def read_file(path: str) -> Iterator[Prediction]:
    """Yield the predictions of a file in their order."""
    with files.stream(path) as file:
        yield from unpack(file, path)


def paths(folder: str) -> list[str]:
    """Return the files of a Predictions artifact, in the order of what they hold."""
    return [f"{folder}/{name}" for name in sorted(files.names(folder)) if name.startswith(f"{PREFIX}-")]


def write(folder: str, predictions: Iterable[Prediction], count: int) -> None:
    """Write `count` predictions, which come in the order of their content, into files of at most SHARD."""
    shards, part, number = max(1, -(-count // SHARD)), [], 0
    for prediction in predictions:
        part.append(prediction)
        if len(part) == SHARD:
            files.write(f"{folder}/{name(number, shards)}", pack(part))
            part, number = [], number + 1
    if part or not number:
        files.write(f"{folder}/{name(number, shards)}", pack(part))


def name(number: int, shards: int) -> str:
    """Return the name of a file."""
    return f"{PREFIX}-{number:05}-of-{shards:05}.gz"


def in_order(predictions: Iterable[Prediction]) -> list[Prediction]:
    """Sort by content; what has the same content, by its bytes."""
    return sorted(predictions, key=_order)


def merged(runs: Sequence[Iterable[Prediction]]) -> Iterator[Prediction]:
    """Merge predictions that are each in order."""
    return heapq.merge(*runs, key=_order)


def pack(predictions: Iterable[Prediction]) -> bytes:
    """Return the content of a file; the same predictions give the same bytes."""
    parts = [FORMAT]
    for prediction in predictions:
        content = prediction.to_bytes()
        parts += [_LENGTH.pack(len(content)), content]
    return gzip.compress(b"".join(parts), mtime=0)


def unpack(file: IO[bytes], path: str) -> Iterator[Prediction]:
    """Yield the predictions of an open file, a few KB in memory at a time. Raises ValueError if it is damaged."""
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as plain:
            if plain.read(len(FORMAT)) != FORMAT:
                raise ValueError(f"it does not begin with {FORMAT!r}")
            while length := plain.read(_LENGTH.size):
                (size,) = _LENGTH.unpack(length)
                yield Prediction.from_bytes(plain.read(size))
    except (EOFError, OSError, ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{path}: no recorded predictions of this version ({error}); run the node again") from error


def _order(prediction: Prediction) -> tuple[str, bytes]:
    return prediction.content, prediction.to_bytes()


def _head(record: bytes) -> bytes:
    """The length of the layout and the layout itself."""
    if len(record) < _LENGTH.size:
        raise ValueError(f"record: found {len(record)} bytes, no layout")
    return record[: _LENGTH.size + _LENGTH.unpack_from(record)[0]]


@lru_cache(maxsize=64)
def _dtype(layout: bytes) -> np.dtype[np.void]:
    fields = []
    for text in layout.decode("ascii", "replace").split(";"):
        match = _FIELD.fullmatch(text)
        if match is None:
            raise ValueError(f"record: found the field {text!r}; allowed is name:type:shape, such as classes:<i4:10")
        shape = tuple(int(size) for size in match[3].split(",") if size)
        fields.append((match[1], np.dtype(match[2]), shape))
    return np.dtype(fields)
