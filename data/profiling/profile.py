"""Looks at data before anything is run: counts, sizes, and what is odd. Free of TensorFlow, but for buckets."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from modelmill.data import modality, split_assignment, task
from modelmill.data.config import DataConfig
from modelmill.data.core import files
from modelmill.data.profiling.label_errors import Doubts
from modelmill.data.profiling.leaks import Leaks
from modelmill.data.readers import file_listing, raw_examples
from modelmill.data.readers.file_listing import shown
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import CONTENT, LABEL, PATH, BadExampleError
from modelmill.data.split_assignment import Placement, Unit
from modelmill.data.splits import BadSplitError, SplitConfig

Pair = tuple[str, str]


@dataclass
class Found:
    """What lies in a folder.

    Attributes:
      examples: all that can be read.
      classes: examples of each class, or of each label; empty if labels are numbers.
      splits: examples of each split, as a run makes it.
      given: whether splits are given, by folders, a column or the time.
      trained: examples of each class in the train split, if labels are classes, and
      judged: in the test split.
      bytes: of all files that can be read.
      unreadable: file and reason.
      equal: pairs of examples with the same content and label.
      contradictory: pairs of examples with the same content and different labels.
      leaked: pairs of examples with the same content in different splits.
      near: pairs of examples that look the same and are in different splits.
      alike: pairs of examples of different classes that look the same: suspects of a wrong label.
      leaks: columns that tell the label by themselves, and how well.
      doubtful: examples whose label the others contradict, and how.
      numbers: of each feature that is a number, such as height or seconds, its values; and of labels that are.
    """

    examples: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    given: bool = False
    trained: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    unreadable: list[Pair] = field(default_factory=list)
    equal: list[Pair] = field(default_factory=list)
    contradictory: list[Pair] = field(default_factory=list)
    leaked: list[Pair] = field(default_factory=list)
    near: list[Pair] = field(default_factory=list)
    alike: list[Pair] = field(default_factory=list)
    leaks: list[Pair] = field(default_factory=list)
    doubtful: list[Pair] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def imbalance(self) -> float:
        """How many times larger the largest class is than the smallest."""
        return max(self.classes.values(), default=1) / min(self.classes.values(), default=1)


class _Seen(NamedTuple):
    """An example, with its split where it is given."""

    label: str
    name: str
    unit: Unit
    split: str | None


def look(folder: Path | str, config: DataConfig, split: SplitConfig) -> Found:
    """Reads every example that the run would read, one after the other.

    Args:
      folder: of the data.
      config: names the modality, and a CSV if there is one.
      split: how splits are made.

    Raises:
      UnknownNameError: there is no such modality.
      BadDataError: the CSV, the folders or what decides on the split are of no use.
    """
    found = Found(given=split.by in ("folder", "column", "time"))
    contents: dict[str, _Seen] = {}
    every: list[_Seen] = []
    same_content: list[tuple[_Seen, _Seen]] = []
    same_key: dict[str, list[_Seen]] = defaultdict(list)
    doubts, kind = Doubts(), modality.look_up(config.modality)
    leaks, classes = Leaks(kind.seen_columns(config)), task.look_up(config.task).CLASSES
    for row in file_listing.list_files(str(folder), modality.pattern(config), config, split).rows:
        name = shown(row.path)
        try:
            for example in raw_examples.examples(str(folder), row, config, split):
                into, group = raw_examples.decided(row, example, split)
                unit = split_assignment.unit(example[LABEL], str(example[CONTENT]), group, classes)
                seen = _Seen(str(example[LABEL]), shown(str(example[PATH])), unit, into)
                every.append(seen)
                _count(found, example, seen)
                leaks.add(example, example[LABEL])
                first = contents.setdefault(str(example[CONTENT]), seen)
                if first is not seen:
                    same_content.append((first, seen))
                elif (fingerprint := kind.fingerprint(example)) is not None:
                    if fingerprint.key is not None:
                        same_key[fingerprint.key].append(seen)
                    if isinstance(example[LABEL], str):
                        doubts.add(str(example[CONTENT]), seen.label, seen.name, fingerprint)
        except BadExampleError as error:
            found.unreadable.append((name, str(error).removeprefix(f"{name}: ")))
            continue
        except BadSplitError as error:
            raise BadDataError(str(error)) from error
        found.bytes += files.state(os.path.join(folder, row.path))[0]
    place = split_assignment.Placement(((one.unit, one.split) for one in every), split)
    for one in every:
        into = place.of(one.unit, one.split)
        found.splits[into] += 1
        if classes:
            found.trained[one.label] += into == "train"
            found.judged[one.label] += into == "test"
    for first, second in same_content:
        _compare(found, first, second, place)
    for alike in same_key.values():
        found.alike += _apart(alike, [one.label for one in alike])
        found.near += _apart(alike, [place.of(one.unit, one.split) for one in alike])
    found.leaks = leaks.found()
    if classes:
        found.doubtful = doubts.found()
    return found


def _count(found: Found, example: Mapping[str, Any], seen: _Seen) -> None:
    found.examples += 1
    if isinstance(example[LABEL], str):
        found.classes[seen.label] += 1
    for key, value in example.items():
        if isinstance(value, (int, float)):
            found.numbers[key].append(value)


def _compare(found: Found, first: _Seen, second: _Seen, place: Placement) -> None:
    """Two examples of the same content."""
    pair = (first.name, second.name)
    (found.equal if first.label == second.label else found.contradictory).append(pair)
    if place.of(first.unit, first.split) != place.of(second.unit, second.split):
        found.leaked.append(pair)


def _apart(alike: list[_Seen], kinds: list[str]) -> list[Pair]:
    """The first of each kind with the first of another; many alike only mean that they are nearly empty."""
    first = {kind: one.name for kind, one in reversed(list(zip(kinds, alike, strict=True)))}
    names = sorted(first.values())
    return [(names[0], other) for other in names[1:]] if len(first) > 1 and len(alike) <= 8 else []
