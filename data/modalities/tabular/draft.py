"""What `modelmill new` writes for tables: what each column is, and what is left out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

from modelmill.data import modality
from modelmill.data.numeric_cells import Notation
from modelmill.data.profiling import notations, profile, table_files
from modelmill.data.profiling.class_folders import BY_FOLDER
from modelmill.data.profiling.columns import USUAL, Column
from modelmill.data.profiling.draft import Asked, Domain, Draft, NoProjectError
from modelmill.data.profiling.profile import Found
from modelmill.data.readers import tables as readers_tables

# Of so many values of a category a schema says which there are; KNOWN of all cells must be one of them.
LISTED, KNOWN = 50, 0.95
EMBEDDING = 8
WIDTHS = ((128, 64), (64, 32), (32, 16), (16,))
USELESS = {
    "empty": "no cell is filled",
    "constant": "one value in all rows",
    "name": "tells the rows apart, not what they are",
    "prose": "whole texts; --modality text is for those",
}


def draft(asked: Asked) -> Draft:
    """Looks at tables. Raises NoProjectError."""
    folder, pattern, files = table_files.files(asked, readers_tables.SUFFIXES)
    seen = table_files.look(files)
    notation = notations.guessed(seen.values())
    if notation != USUAL:
        seen = table_files.look(files, notation)
    label, why = table_files.label(asked, seen)
    task, because = table_files.task(asked, label)
    used = [one for one in seen.values() if one is not label and one.kind not in USELESS]
    unused = [one for one in seen.values() if one is not label and one.kind in USELESS]
    left_out = [f"left out: {table_files.left_out(one, USELESS[one.kind])}" for one in unused]
    if not used:
        raise NoProjectError(
            f"--data {asked.data}: besides {label.name} no column says anything of a row; {'; '.join(left_out)}"
        )
    table_files.rename(used)
    by_kind = {kind: [one for one in used if one.kind == kind] for kind in ("number", "category", "date")}
    missing = [one.name for one in used if one.gaps]
    odd = table_files.missing_values(used)
    if not any(notation.thousands in cell for one in (label, *by_kind["number"]) for cell in one.values):
        notation = notation._replace(thousands="")
    config = modality.look_up("tabular").Config.model_validate(
        {
            "path": str(folder),
            "files": pattern,
            "task": task,
            "label": label.name,
            "columns": table_files.renamed(used),
            "numeric": [one.name for one in by_kind["number"]],
            "categorical": [one.name for one in by_kind["category"]],
            "dates": [one.name for one in by_kind["date"]],
            "missing": missing,
            "missing_values": odd,
            **notation.settings(),
        }
    )
    found = profile.look(folder, config, asked.split)
    if found.unreadable:
        raise NoProjectError(f"--data {': '.join(found.unreadable[0])}")
    lines = [
        f"  files: {table_files.quoted(pattern)}",
        f"  task: {task}    # {because}",
        f"  label: {table_files.quoted(label.name)}    # {why}",
        *table_files.renamed_lines(used),
        *_columns("numeric", by_kind["number"]),
        *_columns("categorical", by_kind["category"]),
        *_columns("dates", by_kind["date"]),
        *_missing(used),
        *_cells(odd, notation),
        *(f"  # {one}" for one in left_out),
    ]
    return Draft(
        config,
        found,
        _features(used),
        data="\n".join(lines),
        augment=_augment(by_kind["number"]),
        model=_model(found, used, asked),
        chains="  chains:\n    - [dynamic_range]\n    - [int8]\n    - [{prune: {sparsity: 0.5}}, dynamic_range]",
        family=asked.family or "mlp",
        split=_split(asked, by_kind["date"]),
        rate=0.003,
        looks=200_000,
        told=(f"label: {label.name} ({why})", f"task: {task} ({because})", *table_files.odd(used), *left_out),
    )


def _columns(key: str, found: list[Column]) -> Iterable[str]:
    """One column a line, with what is in it."""
    if found:
        yield f"  {key}:"
    for one in found:
        yield f"    - {table_files.quoted(one.name)}    # {_told(one)}"


def _told(one: Column) -> str:
    if one.kind == "number":
        few = f"; {one.distinct} different ones: if they are names, put it into categorical"
        return f"{one.low:g} to {one.high:g}" + (few if one.whole == one.numbers.count and one.distinct <= 10 else "")
    if one.kind == "date":
        return f"{table_files.day(one.low)} to {table_files.day(one.high)}"
    shown = ", ".join(value for value, _ in one.values.most_common(3))
    return " ".join(f"{one.distinct} values, such as {shown}".split())[:80]


def _missing(used: list[Column]) -> Iterable[str]:
    gaps = [one for one in used if one.gaps]
    if gaps:
        told = ", ".join(f"{one.name} {one.gaps / one.rows:.1%}" for one in gaps[:6])
        more = f" and {len(gaps) - 6} more" if len(gaps) > 6 else ""
        names = ", ".join(table_files.quoted(one.name) for one in gaps)
        yield f"  missing: [{names}]    # without a value: {told}{more}"


def _cells(odd: list[str], notation: Notation) -> Iterable[str]:
    """How cells are read that are no plain numbers or dates."""
    yield from table_files.missing_line(odd)
    if notation.thousands:
        yield f"  thousands: {json.dumps(notation.thousands)}            # 1{notation.thousands}234 is 1234"
    if notation.decimal != ".":
        yield '  decimal: ","              # 1,5 is one and a half'
    if notation.units:
        yield f"  units: {json.dumps(notation.units, ensure_ascii=False)}    # before or behind a number"


def _features(used: list[Column]) -> dict[str, Domain]:
    """The row, and its columns: a category of few values may have others in a few cells, which the model can bear."""
    found = {"row": Domain("bytes")}
    for one in used:
        listed = one.kind == "category" and one.distinct <= LISTED
        values = tuple(sorted(one.values)) if listed else ()
        kind = "float" if one.kind == "number" else "bytes"
        found[one.name] = Domain(kind, bool(one.gaps), values, KNOWN if listed else 1.0)
    return found


def _augment(numbers: list[Column]) -> str:
    if not numbers:
        return "augment: {}                 # there is no number to which noise could be added"
    return "augment:\n  jitter: 0.1               # noise on numbers, in standard deviations; 0.3 is much"


def _model(found: Found, used: list[Column], asked: Asked) -> str:
    """Widths that suit the number of rows and the budget."""
    if asked.family not in (None, "mlp"):
        return "  dropout: 0.2\n"
    width = {"number": 1, "date": 5, "category": EMBEDDING}
    inputs = sum(width[one.kind] + bool(one.gaps) for one in used)
    embedded = sum(EMBEDDING * (one.distinct + 1) for one in used if one.kind == "category")
    suits = [one for one in WIDTHS if found.examples > 10 * one[0]] or [WIDTHS[-1]]
    for widths in suits:
        sizes = [inputs, *widths]
        if asked.fits(embedded + sum(one * two for one, two in itertools.pairwise(sizes))):
            break
    shown = ", ".join(str(one) for one in widths)
    return f"  widths: [{shown}]          # for {found.examples:,} rows; more of them bear more\n  dropout: 0.2\n"


def _split(asked: Asked, dates: list[Column]) -> str:
    if asked.split.by == "folder":
        return BY_FOLDER
    if not dates:
        return ""
    one = dates[0]
    first, second = (table_files.day(one.low + share * (one.high - one.low)) for share in (0.7, 0.85))
    return (
        "\n# If it is to be judged by what comes later:\n"
        f"# split: {{by: time, column: {one.name}, eval_from: '{first}', test_from: '{second}'}}\n"
    )
