"""Digests of what a run makes: transformed examples, flatbuffers and vocabulary."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path


def of_run(folder: Path, bundle: Path) -> dict[str, str]:
    """Return the digests by what they are of.

    The SavedModel is left out: it numbers its functions by how many the process has made before, and the file of its
    variables differs from run to run where all of them are equal. Trial 0 is the float32 flatbuffer, with all weights.

    Args:
      folder: of the run.
      bundle: what was, or would have been, pushed.
    """
    found = {}
    for split in sorted((folder / "links" / "transform" / "transformed_examples").glob("Split-*")):
        examples = (example for path in sorted(split.iterdir()) for example in records(path))
        found[f"transformed examples {split.name.removeprefix('Split-')}"] = _digest(*map(canonical, examples))
    for path in sorted((folder / "links" / "compress" / "report").glob("trials/*/model.tflite")):
        found[f"flatbuffer of trial {path.parent.name}"] = _digest(path.read_bytes())
    pushed = [*bundle.glob("model.tflite"), *bundle.glob("tokenizer.json")]
    return found | {path.name: _digest(path.read_bytes()) for path in pushed}


def records(path: Path) -> Iterator[bytes]:
    """Yield the records of a gzipped TFRecord file: each has its length and a checksum before it, one behind it."""
    content, place = gzip.decompress(path.read_bytes()), 0
    while place < len(content):
        begin = place + 12
        end = begin + int.from_bytes(content[place : place + 8], "little")
        yield content[begin:end]
        place = end + 4


def canonical(example: bytes) -> bytes:
    """Return the features of a serialized tf.Example in the order of their bytes: the library's own order is random."""
    (features,) = _fields(example)
    return b"".join(sorted(_fields(features)))


def _fields(message: bytes) -> Iterator[bytes]:
    """Yield the fields of a serialized message, all of which are messages or strings."""
    place = 0
    while place < len(message):
        _, place = _varint(message, place)
        length, place = _varint(message, place)
        yield message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _digest(*contents: bytes) -> str:
    whole = hashlib.sha256()
    for content in contents:
        whole.update(content)
    return whole.hexdigest()[:16]
