"""Raw examples of a file: what its modality finds in it, with what its place or the CSV says of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.core import files
from modelmill.data.readers.file_listing import Row, shown
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import CONTENT, DECIDES, LABEL, PATH, BadExampleError
from modelmill.data.splits import SplitConfig


def examples(root: str, row: Row, data: DataConfig, split: SplitConfig | None = None) -> Iterator[dict[str, Any]]:
    """Features of each example in a file: path, sha256 of the content, label, the modality's, and further columns.

    Args:
      root: the data folder.
      row: the file.
      data: names the modality.
      split: how splits are made; what decides on it is given with each example of a file that holds many.

    Raises:
      BadExampleError: the file holds no example, or can't be read.
      BadDataError: a column of the CSV has the name of a feature.
    """
    name = shown(row.path)
    if row.problem:
        raise BadExampleError(f"{name}: {row.problem}")
    kind = modality.look_up(data.modality)
    if modality.streams(data):
        yield from map(dict, kind.stream(os.path.join(root, row.path), name, data, split or SplitConfig()))
        return
    try:
        contents = files.read(os.path.join(root, row.path))
    except OSError as error:
        raise BadExampleError(f"{name}: can't be read ({error.strerror or error})") from error
    known: dict[str, Any] = {PATH: row.path, CONTENT: hashlib.sha256(contents).hexdigest()}
    if row.label:
        known[LABEL] = _label(row, data)
    for features in kind.examples(row.path, contents, data):
        taken = sorted(row.columns.keys() & (known.keys() | features.keys()))
        if taken:
            raise BadDataError(f"{data.csv}: the column {taken[0]!r} has the name of a feature; rename it")
        yield {**known, **features, **row.columns}


def decided(row: Row, example: Mapping[str, Any], split: SplitConfig) -> tuple[str | None, str | None]:
    """Return the split, or else the group, of an example of a file, where they are given.

    Raises:
      BadSplitError: what decides on the split is no split, or no such time; the message names the example.
    """
    if DECIDES in example:
        return split.decided(example[DECIDES], str(example[PATH]))
    return row.split, row.group


def _label(row: Row, data: DataConfig) -> str | float:
    """What the task makes of the class folder's name or the cell of the CSV."""
    try:
        return task.look_up(data.task).raw(row.label)
    except ValueError as error:
        raise BadExampleError(f"{shown(row.path)}: {error}") from error
