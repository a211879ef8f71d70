"""From a data folder to its files: for each the path, the label, the columns of a CSV, and the split or the group.

How a file becomes an example is the modality's; this is the same for all of which a file is an example. Free of
TensorFlow and Beam, but for folders in buckets.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.core import files, plugins
from modelmill.data.readers import labels_csv
from modelmill.data.readers.labels_csv import NAMED, BadDataError, Value
from modelmill.data.splits import SPLITS, SplitConfig


@dataclass(frozen=True)
class Row:
    """One file.

    Attributes:
      path: from the data folder.
      label: the class; empty if the modality brings it.
      columns: the further columns of the CSV; a cell that is empty is not among them.
      split: where it is given.
      group: where a group decides on the split.
      problem: why it can't hold an example; found without opening it.
    """

    path: str
    label: str = ""
    columns: Mapping[str, Value] = field(default_factory=dict)
    split: str | None = None
    group: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Listing:
    """All files in a fixed order; `kinds` says of each further column of the CSV whether it is int, float or string."""

    rows: list[Row]
    kinds: dict[str, str] = field(default_factory=dict)

    def fingerprint(self, root: str) -> str:
        """Changes with every name, label, column, size and time of change: nothing is read but the CSV."""
        digest = hashlib.sha256()
        for row in self.rows:
            told = (row.path, row.label, sorted(row.columns.items()), row.split, row.group)
            digest.update(repr((*told, *files.state(os.path.join(root, row.path)))).encode(errors="surrogateescape"))
        return digest.hexdigest()


def list_files(root: str, pattern: str, data: DataConfig, split: SplitConfig) -> Listing:
    """The files of the data folder `root`.

    Args:
      root: the data folder.
      pattern: of the files; the modality's PATTERN.
      data: its `csv` names the files instead of the pattern, and labels them.
      split: how splits are made.

    Raises:
      BadDataError: with all that is wrong with the CSV, by line, or with the folders.
    """
    if data.csv is None:
        folders = SPLITS if split.by == "folder" else ("",)
        if split.by == "folder":
            _check_split_folders(root)
        rows = [row for folder in folders for row in _rows(root, folder, pattern)]
        listing = Listing(rows)
    else:
        found = labels_csv.read(root, data.csv, split.column if split.by in ("column", "group") else None)
        listing = Listing(
            [Row(line.path, line.label, line.columns, split=line.decides) for line in found.lines], found.kinds
        )
    if not listing.rows:
        raise BadDataError(f"{data.csv or root}: no files; {_expected(pattern, split)}")
    if data.csv is None and split.column is not None and modality.streams(data):
        return listing  # of files of many examples each says itself what decides
    return replace(listing, rows=_decided(listing.rows, split))


def _rows(root: str, folder: str, pattern: str) -> Iterator[Row]:
    """What the pattern matches below root/folder, which is empty or the name of a split."""
    deep = pattern.count("/")
    for path, problem in _matching(root, folder, pattern.split("/")):
        label = path.split("/")[-2] if deep else ""
        yield Row(path, label, split=folder or None, problem=problem or _misnamed(path))


def _matching(root: str, folder: str, parts: list[str]) -> Iterator[tuple[str, str]]:
    """Paths, and what is wrong with them. A folder in which nothing matches is an error: a class without examples."""
    last, found = len(parts) == 1, False
    for entry in files.entries(os.path.join(root, folder)):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if not fnmatch.fnmatchcase(entry.name, parts[0]):
            continue
        if last:
            found = True
            yield path, "a folder, where a file was expected" if entry.is_folder else ""
        elif entry.is_folder:
            found = True
            yield from _matching(root, path, parts[1:])
    if last and folder and not found:
        raise BadDataError(f"{shown(folder)}: the class folder is empty; put examples in or remove it")


def _check_split_folders(root: str) -> None:
    """All three must be there, and no other one: it would be left out in silence."""
    found = {entry.name for entry in files.entries(root) if entry.is_folder}
    missing = [name for name in SPLITS if name not in found]
    if missing:
        raise BadDataError(f"{root}: split.by: folder, but there is no folder {', '.join(missing)} in it")
    for name in sorted(found - set(SPLITS)):
        raise BadDataError(
            f"{root}: split.by: folder, but there is also a folder: {plugins.unknown('split', name, SPLITS)}"
        )


def _decided(rows: list[Row], split: SplitConfig) -> list[Row]:
    """Rows with their split, if the CSV gives it, or their group."""
    if split.by == "column":
        wrong = [
            f"  {row.path}: {plugins.unknown('split', row.split, SPLITS)}" for row in rows if row.split not in SPLITS
        ]
        if wrong:
            raise BadDataError(named(f"column {split.column!r} should hold train, eval or test", wrong))
        return rows
    if split.by != "group":
        return rows
    if split.column is not None:
        return [replace(row, split=None, group=row.split) for row in rows]
    grouped, wrong = [], []
    for row in rows:
        match = re.search(str(split.pattern), row.path)
        group = match and (match.group(1) if match.re.groups else match.group())
        if group:
            grouped.append(replace(row, group=group))
        else:
            wrong.append(f"  {shown(row.path)}")
    if wrong:
        raise BadDataError(named(f"split.pattern {split.pattern!r} finds no group in the path of", wrong))
    return grouped


def _misnamed(path: str) -> str:
    """Labels and paths are text, in summaries and in what is pushed."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    return ""


def shown(path: str) -> str:
    """A path as it can be printed, whatever bytes are in its name."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def named(what: str, lines: list[str]) -> str:
    """The first of the lines under what they have in common."""
    more = [f"  and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return "\n".join([f"{what}:", *lines[:NAMED], *more])


def _expected(pattern: str, split: SplitConfig) -> str:
    above = "train/, eval/ and test/, in each " if split.by == "folder" else ""
    return f"expected {above}one folder per class with files in it" if "/" in pattern else f"expected {above}{pattern}"
