"""Input and output of `modelmill predict`: files and folders, and answers as JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modelmill.data.core import files as folders
from modelmill.data.core.atomic import write_atomically

Answers = list[dict[str, Any]]


def files(given: list[Path]) -> list[str]:
    """Return the files that were given, and those below folders that were, without hidden ones.

    Raises:
      ValueError: there is nothing at a path, or a folder has no files in it.
    """
    found: list[Path] = []
    for path in given:
        inside = list(_below(path)) if path.is_dir() else [path] if path.is_file() else []
        if not inside:
            raise ValueError(f"{path}: {'there are no files in it' if path.is_dir() else 'there is no such file'}")
        found += inside
    # A name that begins with a minus would be taken for an option.
    return [f"./{path}" if str(path).startswith("-") else str(path) for path in found]


def _below(folder: Path) -> Iterator[Path]:
    for entry in folders.entries(str(folder)):
        if entry.is_folder:
            yield from _below(folder / entry.name)
        else:
            yield folder / entry.name


def write(path: Path, answers: Answers) -> None:
    """Write answers as the suffix of the path says, whole or not at all. Raises OSError."""
    write_atomically(path, WRITERS[path.suffix](answers))


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """Without objects in it: `probabilities.cat` is a column."""
    found: dict[str, Any] = {}
    for key, value in answer.items():
        found |= {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    return found


def _jsonl(answers: Answers) -> str:
    return "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)


def _csv(answers: Answers) -> str:
    flat, text = list(map(_flat, answers)), io.StringIO()
    columns = list(dict.fromkeys(name for answer in flat for name in answer))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in flat)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is one behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _parquet(answers: Answers) -> bytes:
    import pyarrow
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(map(_flat, answers))), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Answers], str | bytes]] = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
