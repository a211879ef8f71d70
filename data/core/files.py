"""The few things that are asked of a folder, on this machine or in a bucket (gs://)."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from modelmill.data.core.atomic import write_atomically

# Bytes of a file in a bucket that are asked for at a time.
AT_ONCE = 2**20
# What Windows and macOS leave in folders and archives.
LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")


class Entry(NamedTuple):
    """What stands in a folder. A link that leads nowhere is a file: reading it will tell."""

    name: str
    is_folder: bool


class RemoteFileError(OSError):
    """Raised where a file system of TensorFlow fails; the message names the path, and what to do about a scheme."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class RemoteFileNotFoundError(RemoteFileError, FileNotFoundError):
    """There is nothing at the path."""


@contextlib.contextmanager
def remote_errors(path: str) -> Iterator[None]:
    """Raise TensorFlow's errors as OSErrors: RemoteFileError, which is a FileNotFoundError where nothing is there."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        scheme, schemes = path.partition("://")[0], tf.io.gfile.get_registered_schemes()
        if scheme not in schemes:
            allowed = ", ".join(["a path", *sorted(f"{name}://" for name in schemes if name not in ("", "file"))])
            reason = f"TensorFlow has no file system for {scheme}://; allowed: {allowed}; "
            reason += "do: copy the files to one of these"
            raise RemoteFileError(errno.EPROTONOSUPPORT, reason, path) from error
        missing = isinstance(error, tf.errors.NotFoundError)
        kind = RemoteFileNotFoundError if missing else RemoteFileError
        raise kind(errno.ENOENT if missing else errno.EIO, " ".join(str(error.message).split()), path) from error


def is_remote(path: str) -> bool:
    """Whether only TensorFlow's file systems know the path."""
    return "://" in path


def entries(folder: str) -> list[Entry]:
    """Return the entries of a folder, sorted by name, without hidden files and LITTER. Raises OSError."""
    if not is_remote(folder):
        with os.scandir(folder) as found:
            every = [Entry(entry.name, entry.is_dir()) for entry in found]
    else:
        import tensorflow as tf

        folder = folder.rstrip("/")  # of an object's name each slash is a part
        with remote_errors(folder):
            names = [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
            every = [Entry(name, tf.io.gfile.isdir(f"{folder}/{name}")) for name in names if name]
    return sorted(entry for entry in every if not entry.name.startswith(".") and entry.name not in LITTER)


def read(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    import tensorflow as tf

    with remote_errors(path), tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())


def names(folder: str) -> list[str]:
    """The names of all that is in a folder, hidden files too, sorted; none if there is no such folder."""
    if not is_remote(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    import tensorflow as tf

    try:
        with remote_errors(folder):
            return sorted({name.strip("/") for name in tf.io.gfile.listdir(folder)} - {""})
    except FileNotFoundError:
        return []


def write(path: str, content: bytes) -> None:
    """Writes a file, whole or not at all, and the folders above it where there are any."""
    if not is_remote(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomically(Path(path), content)
        return
    import tensorflow as tf

    with remote_errors(path):
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
    """Whether there is such a file. Raises OSError where that can't be known."""
    if not is_remote(path):
        return os.path.isfile(path)
    import tensorflow as tf

    with remote_errors(path):
        return bool(tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path))


def check_readable(path: str) -> None:
    """Raise OSError unless a file or a folder is there."""
    if not is_remote(path):
        os.stat(path)
        return
    import tensorflow as tf

    with remote_errors(path):
        tf.io.gfile.stat(path.rstrip("/"))


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

        self._file, self._path = tf.io.gfile.GFile(path, "rb"), path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with remote_errors(self._path):
            found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with remote_errors(self._path):
            self._file.seek(offset, whence)
            return int(self._file.tell())

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()
