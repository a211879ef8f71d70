"""Client part of the modality text: a text to the flatbuffer's input. It needs numpy and tokenizers.

A file is one text, in UTF-8; or many, as training reads them: .csv and .tsv with a header that has the manifest's
`text` (and, of pairs, `second`), .jsonl with these keys, and, if training had such files, .txt of one text a line. Of
many each is called FILE:LINE, and those that can't be taken are named when all others are answered.
In a program: model.answer(model.reader.encode(text)).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Read the text as UTF-8. Encode it with tokenizer.json (Hugging Face tokenizers), which cleans, splits, cuts into "
    "pieces, adds special tokens, truncates and pads; if `pairs`, as a pair of what is before and behind the first "
    "tab. The ids are the input."
)
# The packages that it imports besides numpy.
REQUIRES = ("tokenizers",)
# Of the manifest's `preprocessing`.
FIELDS = {"length": int, "pairs": bool, "tokenizer": str, "text": str, "second": str, "lines": bool}
FILES = "a text in UTF-8, or CSV, TSV or JSONL of many"
PAIR = "\t"
SEPARATORS = ",;\t|"
# Characters of a cell, and texts that a message names.
LONGEST, NAMED = 1 << 24, 10


class NotATextError(ValueError):
    """A file that is no text; the message names it."""


ERROR = NotATextError


class Reader:
    """Reads texts."""

    dtype = "int32"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(file(settings["tokenizer"])))
        self._pairs = settings["pairs"]
        self._columns = [name for name in (settings["text"], settings["second"]) if name]
        self._lines = settings["lines"]
        self.shape = (settings["length"],)

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """Yield each text of a file. Raises NotATextError, behind all that can be taken, with what can't be."""
        wrong = []
        try:
            for name, text in texts(Path(path), self._columns, self._lines):
                if isinstance(text, NotATextError):
                    wrong.append(f"{name}: {text}")
                elif not text.strip():
                    wrong.append(f"{name}: there is no text in it")
                else:
                    yield name, self.encode(text)
        except (OSError, UnicodeDecodeError) as error:
            wrong.append(f"{path}: no text in UTF-8 ({error})")
        except csv.Error as error:
            wrong.append(f"{path}: no table that can be read ({error})")
        if wrong:
            more = [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
            raise NotATextError("\n".join(wrong[:NAMED] + more))

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the token ids of a text, int32 [length]."""
        return preprocess(self._tokenizer, text, self._pairs)


def texts(path: Path, columns: list[str], lines: bool) -> Iterator[tuple[str, str | NotATextError]]:
    """The texts of a file, each with what it is called, or with what is wrong with it.

    Args:
      path: of the file; its suffix says what it is.
      columns: of the text, and of pairs of the second.
      lines: whether each line of a .txt file is a text.

    Raises:
      OSError, UnicodeDecodeError, csv.Error: it can't be read.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".jsonl") and not (lines and kind == ".txt"):
        yield str(path), path.read_bytes().decode("utf-8-sig")
        return
    with path.open(encoding="utf-8-sig", newline="" if kind in (".csv", ".tsv") else None) as file:
        if kind in (".csv", ".tsv"):
            yield from _rows(file, path, columns)
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path}:{number}", _fields(line, columns) if kind == ".jsonl" else line.strip()


def _rows(file: Any, path: Path, columns: list[str]) -> Iterator[tuple[str, str | NotATextError]]:
    csv.field_size_limit(LONGEST)
    first = file.readline()
    headers = {one: [cell.strip() for cell in next(csv.reader([first], delimiter=one), [])] for one in SEPARATORS}
    fitting = [one for one in SEPARATORS if set(columns) <= set(headers[one])]
    if not fitting:
        yield str(path), NotATextError(f"its header has no column {' and '.join(map(repr, columns))}")
        return
    header, begin = headers[fitting[0]], 2
    reader = csv.reader(file, delimiter=fitting[0], strict=True)
    for cells in reader:
        name, begin = f"{path}:{begin}", reader.line_num + 2
        if len(cells) == len(header):
            yield name, PAIR.join(cells[header.index(column)].strip() for column in columns)
        elif any(cells):
            yield name, NotATextError(f"{len(cells)} cells, but the header has {len(header)}")


def _fields(line: str, columns: list[str]) -> str | NotATextError:
    """The text of a line of JSON."""
    try:
        found = json.loads(line)
    except ValueError as error:
        return NotATextError(f"no JSON ({error})")
    if not isinstance(found, dict) or not all(isinstance(found.get(column), (str, int, float)) for column in columns):
        return NotATextError(f"it should be an object with {' and '.join(map(repr, columns))}, texts")
    return PAIR.join(str(found[column]).strip() for column in columns)


def preprocess(tokenizer: Any, text: str, pairs: bool) -> NDArray[np.int32]:
    """A text to its token ids int32 [length]; `tokenizer` is of the package of that name."""
    if not pairs:
        return np.array(tokenizer.encode(text).ids, np.int32)
    one, _, two = text.partition(PAIR)
    return np.array(tokenizer.encode(one, two).ids, np.int32)
