"""The few things that are asked of a folder, on this machine or in a bucket (gs://)."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from modelmill.data.core.atomic import write_atomically

# Bytes of a file in a bucket that are asked for at a time.
AT_ONCE = 2**20


class Entry(NamedTuple):
    """What stands in a folder. A link that leads nowhere is a file: reading it will tell."""

    name: str
    is_folder: bool


def is_remote(path: str) -> bool:
    """Whether only TensorFlow's file systems know the path."""
    return "://" in path


def entries(folder: str) -> list[Entry]:
    """What is in a folder, sorted by name, without hidden files. Raises OSError."""
    if not is_remote(folder):
        with os.scandir(folder) as found:
            every = [Entry(entry.name, entry.is_dir()) for entry in found]
    else:
        import tensorflow as tf

        folder = folder.rstrip("/")  # of an object's name each slash is a part
        names = [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
        every = [Entry(name, tf.io.gfile.isdir(f"{folder}/{name}")) for name in names if name]
    return sorted(entry for entry in every if not entry.name.startswith("."))


def read(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return bytes(file.read())
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def names(folder: str) -> list[str]:
    """The names of all that is in a folder, hidden files too, sorted; none if there is no such folder."""
    if not is_remote(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    import tensorflow as tf

    try:
        return sorted({name.strip("/") for name in tf.io.gfile.listdir(folder)} - {""})
    except tf.errors.NotFoundError:
        return []


def write(path: str, content: bytes) -> None:
    """Writes a file, whole or not at all, and the folders above it where there are any."""
    if not is_remote(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomically(Path(path), content)
        return
    import tensorflow as tf

    if not path.startswith("gs://"):  # a folder is an object of no bytes there, on which KFP's launcher stumbles
        tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def state(path: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds, or (-1, -1) of what can't be asked."""
    if not is_remote(path):
        try:
            found = os.stat(path)
        except OSError:
            return -1, -1
        return found.st_size, found.st_mtime_ns
    import tensorflow as tf

    try:
        told = tf.io.gfile.stat(path)
    except tf.errors.OpError:
        return -1, -1
    return int(told.length), int(told.mtime_nsec)


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    if not is_remote(path):
        return os.path.isfile(path)
    import tensorflow as tf

    return bool(tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path))


def inside(root: str, path: str) -> bool:
    """Whether root/path lies under root when all links are followed; buckets have none."""
    if is_remote(root):
        return ".." not in path.split("/")
    home = os.path.realpath(root)
    return os.path.commonpath([home, os.path.realpath(os.path.join(home, path))]) == home


def stream(path: str) -> BinaryIO:
    """A file to be read from its beginning to its end, or here and there. Raises OSError."""
    return open(path, "rb") if not is_remote(path) else io.BufferedReader(_Remote(path), AT_ONCE)


class _Remote(io.RawIOBase):
    """A file that only TensorFlow can read, as Python's readers, and Parquet's, want one."""

    def __init__(self, path: str) -> None:
        import tensorflow as tf

        self._file, self._error = tf.io.gfile.GFile(path, "rb"), tf.errors.OpError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = self._file.read(len(buffer))
        except self._error as error:
            raise OSError(error.message) from error
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            self._file.seek(offset, whence)
        except self._error as error:
            raise OSError(error.message) from error
        return int(self._file.tell())

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()
