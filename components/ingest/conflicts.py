"""What is wrong with examples that were read: files without one, conflicts between equal ones, empty splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from modelmill.data.config import DataConfig
from modelmill.data.readers.file_listing import named, shown
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.splits import SPLITS


class Copy(NamedTuple):
    """One example among those of equal content."""

    path: str
    label: str
    split: str


@dataclass(frozen=True)
class Verdict:
    """What is left out.

    Attributes:
      reasons: why, by path.
      splits: how many examples are left in each.
    """

    reasons: dict[str, str]
    splits: dict[str, int]


def conflict(copies: list[Copy]) -> list[Copy]:
    """The copies themselves if they differ in label or split, else nothing."""
    differ = len({copy.label for copy in copies}) > 1 or len({copy.split for copy in copies}) > 1
    return sorted(copies) if differ else []


def judge(
    bad: Iterable[tuple[str, str]],
    conflicts: Iterable[list[Copy]],
    counts: Mapping[str, int],
    files: int,
    config: DataConfig,
) -> Verdict:
    """Decides what is dropped.

    Args:
      bad: path and reason of each file that holds no example.
      conflicts: what `conflict` gave.
      counts: examples by split, before anything is dropped.
      files: how many there are in all.
      config: what may be dropped.

    Raises:
      BadDataError: with all that may not.
    """
    bad, conflicts = sorted(bad), sorted(conflicts)
    if config.conflicts == "keep":
        conflicts = [copies for copies in conflicts if len({copy.split for copy in copies}) > 1]
    problems = []
    if len(bad) > config.max_bad_fraction * files:
        allowed = (
            f"; data.max_bad_fraction allows {config.max_bad_fraction:g} of {files}" if config.max_bad_fraction else ""
        )
        what = "1 file holds" if len(bad) == 1 else f"{len(bad)} files hold"
        lines = [f"  {reason}" for _, reason in bad]
        problems.append(named(f"{what} no example{allowed}; mend or remove", lines))
    if conflicts and config.conflicts != "drop":
        problems += _refused(conflicts)
    reasons = dict(bad)
    left = {split: counts.get(split, 0) for split in SPLITS}
    for copies in conflicts:
        for copy, reason in _dropped(copies):
            reasons[copy.path] = reason
            left[copy.split] -= 1
    empty = [split for split, count in left.items() if not count]
    if empty and not problems:
        told = ", ".join(f"{split} {count}" for split, count in left.items())
        problems.append(f"no examples in {', '.join(empty)} ({told}); give more data, or change `split`")
    if problems:
        raise BadDataError("\n".join(problems))
    return Verdict(reasons, left)


def _refused(conflicts: list[list[Copy]]) -> list[str]:
    labels = [_told(copies) for copies in conflicts if len({copy.label for copy in copies}) > 1]
    splits = [_told(copies) for copies in conflicts if len({copy.label for copy in copies}) == 1]
    advice = "remove all but one, or set data.conflicts: drop"
    told = []
    if labels:
        told.append(named(f"{len(labels)} times equal files have different labels; {advice}", labels))
    if splits:
        told.append(named(f"{len(splits)} times equal files are in different splits; {advice}", splits))
    return told


def _told(copies: list[Copy]) -> str:
    return "  " + " = ".join(f"{shown(copy.path)} ({copy.label}, {copy.split})" for copy in copies)


def _dropped(copies: list[Copy]) -> Iterable[tuple[Copy, str]]:
    """Of different labels nobody knows the right one. Of different splits, one must not be trained on that judges."""
    if len({copy.label for copy in copies}) > 1:
        return [(copy, "equal files have different labels") for copy in copies]
    kept = max((copy.split for copy in copies), key=SPLITS.index)
    return [(copy, f"an equal file is in {kept}") for copy in copies if copy.split != kept]
