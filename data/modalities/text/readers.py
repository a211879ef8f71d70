"""Files of many texts: tables with a column of texts, JSONL, and plain files of one text a line. None is read whole."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from modelmill.data.core import files
from modelmill.data.readers import tables
from modelmill.data.spec import BadExampleError

JSONL, LINES = (".jsonl", ".jsonl.gz"), (".txt", ".txt.gz")
SUFFIXES = (*tables.SUFFIXES, ".tfrecord", *JSONL, *LINES)


def read(path: str, name: str, columns: list[str], separator: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """The cells of each record, as text, with its number or line.

    Args:
      path: of the file.
      name: what messages call it; its suffix says what it is.
      columns: that must be there. Of plain files there are two, whatever they are called: the text, which is the line,
        and the label, which is the file's name without suffixes.
      separator: see `tables.read`.

    Raises:
      BadExampleError: the file is none of these, or a record lacks a column.
    """
    if tables.is_table(name):
        yield from tables.read(path, name, columns, separator)
    elif name.endswith(SUFFIXES):
        try:
            with files.stream(path) as file:
                plain = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
                lines = enumerate(io.TextIOWrapper(plain, encoding="utf-8-sig"), start=1)
                yield from (_objects if name.endswith(JSONL) else _lines)(lines, name, columns)
        except UnicodeDecodeError as error:
            raise BadExampleError(f"{name}: it is not UTF-8; save it as UTF-8") from error
        except (OSError, EOFError) as error:
            raise BadExampleError(f"{name}: can't be read ({getattr(error, 'strerror', None) or error})") from error
    else:
        raise BadExampleError(f"{name}: no file of texts; allowed are {', '.join(SUFFIXES)}")


def _objects(lines: Any, name: str, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise BadExampleError(f"{name}, line {number}: no JSON ({error})") from error
        for column in columns:
            known = isinstance(found, dict) and column in found
            if not known or not isinstance(found[column], (str, int, float, type(None))):
                raise BadExampleError(
                    f"{name}, line {number}: it should be an object with {column!r}, text, a number or null"
                )
        yield number, {column: "" if found[column] is None else str(found[column]).strip() for column in columns}


def _lines(lines: Any, name: str, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    text, label, *more = columns
    if more:
        raise BadExampleError(f"{name}: a file of one text a line has no column {more[0]!r}; give a table or JSONL")
    of_file = PurePosixPath(name).name.split(".")[0]
    for number, line in lines:
        if line.strip():
            yield number, {text: line.strip(), label: of_file}
