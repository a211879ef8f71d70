"""What `modelmill new` writes for time series: .ts files, long tables (a row a step) and wide ones (a row a series)."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from modelmill.data import modality
from modelmill.data.core import files
from modelmill.data.modalities.series import readers
from modelmill.data.profiling import columns, profile, table_files
from modelmill.data.profiling.class_folders import BY_FOLDER
from modelmill.data.profiling.columns import Column
from modelmill.data.profiling.draft import Asked, Domain, Draft, NoProjectError
from modelmill.data.profiling.profile import Found
from modelmill.data.readers import tables as readers_tables
from modelmill.data.spec import BadExampleError

TS = (".ts", ".ts.gz")
# From so many columns t1, t2, ... on a row is a series.
WIDE = 8
# Names of columns that tell series apart, and of those that tell when a step was.
NAMES = ("series", "id", "name", "machine", "device", "sensor", "person", "subject", "unit")
TIMES = ("time", "timestamp", "date", "datetime", "step", "t")
# A recurrent flatbuffer is unrolled over its steps.
UNROLLED = 100
# Of less series, if they are long, windows are cut.
FEW, LONG, WINDOW = 30, 100, 50


@dataclass(frozen=True)
class Shape:
    """How series lie in files: fields of `data`, and why, as lines of YAML."""

    fields: dict[str, Any]
    lines: tuple[str, ...]
    told: tuple[str, ...] = ()
    time: Column | None = None


def draft(asked: Asked) -> Draft:
    """Looks at series. Raises NoProjectError."""
    folder, pattern, found_files = table_files.files(asked, (*TS, *readers_tables.SUFFIXES))
    shape = _ts(asked, found_files) if pattern.endswith(TS) else _table(asked, found_files)
    # What is asked of a series, and so what labels are, is known only when they were read.
    given: dict[str, Any] = {"path": str(folder), "files": pattern, "length": 100_000, **shape.fields}
    plug_in: Any = modality.look_up("series")
    steps, labels, gaps = _read(found_files, plug_in.Config.model_validate({**given, "missing": True}))
    odd = given.get("missing_values", [])
    task, because = table_files.task(asked, labels)
    length, window, lines = _length(steps)
    fields = {**given, "task": task, "length": length, "stride": window, "missing": gaps}
    config = plug_in.Config.model_validate(fields)
    found = profile.look(folder, config, asked.split)
    if found.unreadable:
        raise NoProjectError(f"--data {': '.join(found.unreadable[0])}")
    if found.examples == 0:
        raise NoProjectError(f"--data {asked.data}: it has no series")
    family = asked.family or ("rnn" if length <= UNROLLED else "mlp")
    return Draft(
        config,
        found,
        {"series": Domain("bytes"), "steps": Domain("int")},
        data="\n".join(
            [
                f"  files: {table_files.quoted(pattern)}",
                f"  task: {task}    # {because}",
                *shape.lines,
                *lines,
                *(["  missing: true             # some values are missing"] if gaps else []),
                *table_files.missing_line(odd),
            ]
        ),
        augment="augment:\n  jitter: 0.1               # noise, in standard deviations\n  scaling: 0.1",
        model=_model(family, asked, length, config.channels, found),
        chains="  chains:\n    - [dynamic_range]\n    - [float16]" + ("\n    - [int8]" if family == "mlp" else ""),
        family=family,
        split=_split(asked, shape.time, window),
        rate=0.003,
        looks=100_000,
        told=(*shape.told, f"task: {task} ({because})"),
    )


def _ts(asked: Asked, found: list[Path]) -> Shape:
    """Channels are what colons part, and the label is the last of them."""
    if asked.label is not None:
        raise NoProjectError("--label: in .ts files the label is the last of each line; leave it out")
    try:
        channels = next(_channels(found[0]))
    except (StopIteration, OSError, EOFError, UnicodeDecodeError) as error:
        raise NoProjectError(f"--data {found[0]}: it has no series behind a line @data {error}".strip()) from error
    return Shape({"channels": channels}, (f"  channels: {channels}",))


def _channels(path: Path) -> Iterator[int]:
    with files.stream(os.fspath(path)) as file:
        plain = gzip.GzipFile(fileobj=file) if path.name.endswith(".gz") else file
        begun = False
        for line in io.TextIOWrapper(plain, encoding="utf-8"):
            if begun and line.strip():
                yield line.count(":")
            begun = begun or line.strip().lower() == "@data"


def _table(asked: Asked, found: list[Path]) -> Shape:
    """Wide if many columns are called t1, t2, ...; else long."""
    seen = table_files.look(found)
    begins, count = next(columns.numbered(seen), ("", 0))
    wide = count >= WIDE
    steps = {name for name in seen if wide and name.startswith(begins) and name[len(begins) :].isdigit()}
    label, why = table_files.label(asked, {name: one for name, one in seen.items() if name not in steps})
    said = f"  label: {table_files.quoted(label.name)}    # {why}"
    told = f"label: {label.name} ({why})"
    if wide:
        pattern = f"{begins}[0-9]*"
        cells = [one for name, one in seen.items() if name in steps and one.kind == "number"]
        odd = table_files.missing_values(cells)
        fields = {"layout": "wide", "channels": 1, "label": label.name, "values": [pattern], "missing_values": odd}
        unused = [one for name, one in seen.items() if name not in steps and one is not label]
        left_out = [f"left out: {table_files.left_out(one, f'no step, as {begins}... are')}" for one in unused]
        lines = (
            f"  layout: wide              # a row a series: there are {count} columns {begins}...",
            said,
            "  channels: 1",
            f"  values: [{table_files.quoted(pattern)}]",
            *(f"  # {one}" for one in left_out),
        )
        layout = f"layout: wide ({count} columns {begins}...)"
        return Shape(fields, lines, (told, layout, *table_files.odd(cells), *left_out))
    return _long(seen, label, said, told)


def _long(seen: dict[str, Column], label: Column, said: str, told: str) -> Shape:
    others = [one for one in seen.values() if one is not label]
    names = [one for one in others if one.name.lower() in NAMES and one.distinct < one.rows]
    names += [one for one in others if one.kind == "category" and one.distinct < one.rows / 2]
    if not names:
        raise NoProjectError(
            f"--data: no column tells the series apart; call one of them {NAMES[0]!r} "
            f"(the columns are {', '.join(seen)}), or, if a row is an example, take --modality tabular"
        )
    name = names[0]
    times = [one for one in others if one.name.lower() in TIMES and one is not name]
    times += [one for one in others if one.kind == "date" and one is not name]
    values = [one for one in others if one.kind == "number" and one is not name and one not in times]
    if not values:
        raise NoProjectError(f"--data: no column of numbers besides {label.name} and {name.name}")
    wrong = [one for one in values if one.grouped.count]
    if wrong:
        where = "; ".join(f"{one.name}: {table_files.cells(one.grouped)}" for one in wrong)
        raise NoProjectError(f"--data: write numbers of series without commas: {where}")
    shown = ", ".join(table_files.quoted(one.name) for one in values)
    lines = [
        "  layout: long              # a row a step",
        f"  series: {table_files.quoted(name.name)}    # {name.distinct:,} series; its rows have to stand together",
        said,
        f"  channels: {len(values)}",
        f"  values: [{shown}]",
    ]
    reasons = {one.name: "when a step was" for one in times}
    unused = [one for one in others if one is not name and one not in values]
    left_out = [f"left out: {table_files.left_out(one, reasons.get(one.name, 'no numbers'))}" for one in unused]
    lines += [f"  # {one}" for one in left_out]
    fields = {
        "layout": "long",
        "series": name.name,
        "label": label.name,
        "channels": len(values),
        "values": [one.name for one in values],
        "missing_values": table_files.missing_values(values),
    }
    guessed = (told, f"series: {name.name}", *table_files.odd(values), *left_out)
    return Shape(fields, tuple(lines), guessed, times[0] if times else None)


def _read(found: list[Path], config: Any) -> tuple[list[int], Column, bool]:
    """The lengths of all series, their labels, and whether values are missing. Raises NoProjectError."""
    steps, gaps = [], False
    labels = Column(config.label)
    try:
        for path in found:
            for one in readers.read(os.fspath(path), path.name, config, None):
                steps.append(len(one.steps))
                labels.add(one.labels[-1], one.place)
                gaps = gaps or any("" in step for step in one.steps)
    except BadExampleError as error:
        raise NoProjectError(f"--data: {error}") from error
    if not steps or not max(steps):
        raise NoProjectError("--data: it has no series of any steps")
    return steps, labels, gaps


def _length(steps: list[int]) -> tuple[int, int | None, list[str]]:
    """How many steps the model sees, the stride of windows if there are any, and the lines that say so."""
    most = quantiles(steps, n=10)[8] if len(steps) > 1 else steps[0]
    middle = median(steps)
    if len(steps) < FEW and middle >= LONG:
        told = f"{len(steps)} series of {min(steps):,} to {max(steps):,} steps are few: windows of them are examples"
        lines = [f"  length: {WINDOW}                # {told}", f"  stride: {WINDOW // 2}                # steps apart"]
        return WINDOW, WINDOW // 2, lines
    length = max(steps) if max(steps) <= 1.5 * most else round(most)
    cut = "none is cut" if length == max(steps) else "one of ten is cut"
    return length, None, [f"  length: {length}                # {min(steps):,} to {max(steps):,} steps; {cut}"]


def _split(asked: Asked, time: Column | None, window: int | None) -> str:
    """Windows of a few series are parted by time, if it is known: by series, a split could be empty."""
    if asked.split.by == "folder":
        return BY_FOLDER
    if window is None or time is None or time.kind not in ("number", "date"):
        return ""
    bounds = []
    for share in (0.7, 0.85):
        at = time.low + share * (time.high - time.low)
        bounds.append(f"{at:g}" if time.kind == "number" else table_files.day(at))
    return (
        "\n# What comes later judges; windows across a border are left out.\n"
        f"split: {{by: time, column: {table_files.quoted(time.name)}, "
        f"eval_from: '{bounds[0]}', test_from: '{bounds[1]}'}}\n"
    )


def _model(family: str, asked: Asked, length: int, channels: int, found: Found) -> str:
    """Units or widths within the budget."""
    inputs = channels + 1
    if family == "rnn":
        units = next((one for one in (64, 32, 16) if asked.fits(6 * one * (inputs + one))), 8)
        return (
            f"  cell: gru\n  units: [{units}]               # read in both directions\n  bidirectional: true\n"
            "  pool: mean\n  dropout: 0.3\n"
        )
    if family == "mlp":
        width = next((one for one in (64, 32, 16) if asked.fits(length * inputs * one)), 8)
        return f"  widths: [{width}]              # a recurrent one would be unrolled over all steps\n  dropout: 0.3\n"
    return "  dropout: 0.3\n"
