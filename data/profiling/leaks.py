"""Columns that tell the label by themselves: most often they are known only after it is. Free of TensorFlow."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

# Rows that are kept, drawn at random, and the fewest that say anything.
KEPT, FEWEST = 20_000, 50
# A number is taken by which of so many equal parts of the rows it is in, of five rows at least.
PARTS, ROWS_A_PART = 200, 5
# A column is a leak if it leaves less than this share of what is wrong without it: errors, or the variance of numbers.
LEFT = 0.02


class Leaks:
    """Judges each column by itself: how well it tells the label of a row from those of the other rows."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        """Make one for these features of raw examples."""
        self._columns = columns
        self._rows: list[tuple[list[Any], str | float]] = []
        self._seen = 0
        self._random = random.Random(0)

    def add(self, example: Mapping[str, Any], label: str | float) -> None:
        """Keep an example, or not, so that all have the same chance."""
        if not self._columns:
            return
        self._seen += 1
        row = [example.get(column) for column in self._columns], label
        if len(self._rows) < KEPT:
            self._rows.append(row)
        elif (place := self._random.randrange(self._seen)) < KEPT:
            self._rows[place] = row

    def found(self) -> list[tuple[str, str]]:
        """Return the columns that tell the label, and how well."""
        if len(self._rows) < FEWEST:
            return []
        labels = [label for _, label in self._rows]
        score = _explained if isinstance(labels[0], float) else _right
        leaks = []
        for place, column in enumerate(self._columns):
            values = [found[place] for found, _ in self._rows]
            views = [_parts(values)]
            if None in values:
                views.append([value is None for value in values])
            told = next(filter(None, (score(view, labels) for view in views)), "")
            if told:
                leaks.append((column, told))
        return leaks


def _parts(values: list[Any]) -> list[Hashable]:
    """Return for each value its part: itself, None if it is missing, or the quantile that a number is in."""
    known = [value for value in values if isinstance(value, (int, float))]
    parts = max(1, min(PARTS, len(known) // ROWS_A_PART))
    if len(set(known)) <= parts:
        return values
    bounds = np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1])
    return [int(np.searchsorted(bounds, value)) if isinstance(value, (int, float)) else value for value in values]


def _right(parts: list[Hashable], labels: list[Any]) -> str:
    """Describe the accuracy of the majority label of the other rows of a part; "" if that is no leak."""
    counts: dict[Hashable, Counter[Any]] = defaultdict(Counter)
    for part, label in zip(parts, labels, strict=True):
        counts[part][label] += 1
    right = 0
    for found in counts.values():
        (_, most), (_, second) = [*found.most_common(2), (None, 0)][:2]
        # Without the row itself its label must still have as many as any other of the part.
        right += most if most > max(1, second) else 0
    largest = max(Counter(labels).values()) / len(labels)
    share = right / len(labels)
    if largest == 1 or 1 - share >= LEFT * (1 - largest):
        return ""
    return f"alone tells {share:.1%} of the labels, where the largest class has {largest:.1%}"


def _explained(parts: list[Hashable], labels: list[Any]) -> str:
    """Describe the variance that the mean of the other rows of a part explains; "" if that is no leak."""
    sums: dict[Hashable, list[float]] = defaultdict(lambda: [0, 0.0])
    for part, label in zip(parts, labels, strict=True):
        sums[part][0] += 1
        sums[part][1] += label
    mean = sum(labels) / len(labels)
    variance = sum((label - mean) ** 2 for label in labels)
    left = 0.0
    for part, label in zip(parts, labels, strict=True):
        count, total = sums[part]
        left += (label - ((total - label) / (count - 1) if count > 1 else mean)) ** 2
    if not variance or left >= LEFT * variance:
        return ""
    return f"alone explains {1 - left / variance:.1%} of the labels' variance"
