"""Rows of tables, one after the other: CSV, gzipped or not, Parquet, and TFRecords. No file is read whole."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
from collections.abc import Iterator
from typing import Any

from modelmill.data.core import files
from modelmill.data.numeric_cells import is_number
from modelmill.data.readers import separators, tfrecords
from modelmill.data.spec import BadExampleError

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
# Rows of a Parquet file decoded at a time.
BATCH = 4096
# Characters of a cell: Python's own limit, 131,072, is less than a long text has.
LONGEST = 1 << 24


def read(path: str, name: str, columns: list[str] | None, separator: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """The cells of each row, as text, with the row's number: of a CSV the line, of Parquet and TFRecords from 1 on.

    Args:
      path: of the file.
      name: what messages call it.
      columns: that must be there; only these are given, or all for None. A cell without a value is empty.
      separator: what parts the cells of a CSV; guessed by `separators.sniffed` if it is "".

    Raises:
      BadExampleError: the file is no table, or lacks a column, or a row has too few or too many cells.
    """
    if tfrecords.NAME.fullmatch(name):
        yield from tfrecords.rows(path, name, columns)
        return
    try:
        with files.stream(path) as file:
            if name.endswith(".parquet"):
                yield from _parquet(file, name, columns)
            elif name.endswith(SUFFIXES):
                plain = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
                yield from _csv(plain, name, columns, separator)
            else:
                raise BadExampleError(f"{name}: no table; allowed are {', '.join((*SUFFIXES, '.tfrecord'))}")
    except (OSError, EOFError) as error:
        raise BadExampleError(f"{name}: can't be read ({getattr(error, 'strerror', None) or error})") from error


def is_table(name: str) -> bool:
    """Whether it is called like one that `read` can read."""
    return name.endswith(SUFFIXES) or bool(tfrecords.NAME.fullmatch(name))


def line(cells: list[str]) -> str:
    """One line of CSV; a line break within a cell becomes a blank."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([" ".join(cell.split()) for cell in cells])
    return text.getvalue()


def _csv(file: Any, name: str, columns: list[str] | None, separator: str) -> Iterator[tuple[int, dict[str, str]]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    csv.field_size_limit(LONGEST)
    begin = 1
    try:
        first = list(itertools.islice(text, separators.SNIFFED))
        lines = itertools.chain(first, text)
        # Excel's way to say it.
        skipped = bool(first) and re.fullmatch("sep=.\r?\n?", first[0]) is not None
        if skipped:
            separator = next(lines)[len("sep=")]
        separator = separator or separators.sniffed(first, columns, "\t" if ".tsv" in name else ",")
        reader = csv.reader(lines, delimiter=separator, strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        columns = header if columns is None else columns
        _check(name, header, columns, separator)
        places = [header.index(column) for column in columns]
        begin = skipped + reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise BadExampleError(f"{name}, line {begin}: {_uneven(cells, header, separator)}")
                yield begin, {column: cells[place].strip() for column, place in zip(columns, places, strict=True)}
            begin = skipped + reader.line_num + 1
    except csv.Error as error:
        raise BadExampleError(f"{name}, line {begin}: the row that begins there can't be read ({error})") from error
    except UnicodeDecodeError as error:
        raise BadExampleError(f"{name}: it is not UTF-8 near line {begin}; save it as UTF-8") from error


def _uneven(cells: list[str], header: list[str], separator: str) -> str:
    """Describe what is wrong with a row of more or fewer cells than the header has."""
    found = f"{len(cells)} cells, but the header has {len(header)}"
    if len(cells) > len(header) and not any(cell.strip() for cell in cells[len(header) :]):
        return f"{found}; take the {separator!r} at its end away"
    if len(cells) > len(header):
        return f"{found}; mend the row: a cell that holds {separator!r} stands in quotes"
    return f"{found}; mend the row"


def _parquet(file: Any, name: str, columns: list[str] | None) -> Iterator[tuple[int, dict[str, str]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file)
        columns = table.schema_arrow.names if columns is None else columns
        _check(name, table.schema_arrow.names, columns)
        number = 0
        for batch in table.iter_batches(BATCH, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, {column: _text(row[column]) for column in columns}
    except pyarrow.ArrowException as error:
        raise BadExampleError(f"{name}: no Parquet file that can be read ({error})") from error


def _text(value: Any) -> str:
    """As a CSV would have it: nothing for null and NaN, ISO for dates, numbers so that none of their bits is lost."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _check(name: str, header: list[str], columns: list[str], separator: str = "") -> None:
    for column in columns:
        if header.count(column) == 1:
            continue
        if column in header:
            raise BadExampleError(f"{name}: the column {column!r} stands twice in the header")
        parted = f", parted by {separator!r}" if separator else ""
        advice = "; is there no header? Its first row holds numbers" if _numbers(header) else ""
        raise BadExampleError(
            f"{name}: the column {column!r} is missing; there are {', '.join(header)}{parted}{advice}"
        )


def _numbers(header: list[str]) -> bool:
    """Whether what should be names of columns are numbers, half of them at least."""
    return 2 * sum(is_number(cell) for cell in header) >= max(1, len(header))
