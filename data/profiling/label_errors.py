"""Labels that the other examples contradict: each is asked of trees that have not seen it.

A random forest's trees each leave out a part of the examples; those that left an example out vote on it (out of bag,
Breiman, 2001). Where hardly any votes for the label that is given and nearly all for one other, the label is in doubt:
confident learning (Northcutt et al., 2021) with a high threshold, since it is people who look.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelmill.data.profiling.fingerprints import Fingerprint

# So many examples are asked about, those with the smallest digests; and so many there have to be, of a class, too.
MOST, LEAST, LEAST_OF_CLASS = 3000, 60, 8
TREES = 100
# Shares of the votes: for the given label at most, for another at least.
GIVEN, OTHER = 0.1, 0.5


@dataclass
class Doubts:
    """Collects examples, and tells which labels are in doubt."""

    _kept: list[tuple[str, str, str, Any]] = field(default_factory=list)

    def add(self, digest: str, label: str, name: str, fingerprint: Fingerprint) -> None:
        """One more example; beyond MOST, which are kept does not depend on the order."""
        entry = (_inverted(digest), name, label, fingerprint.features)
        if len(self._kept) < MOST:
            heapq.heappush(self._kept, entry)
        elif entry[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, entry)

    def found(self) -> list[tuple[str, str]]:
        """Names of examples and what is said of them, the most doubtful first."""
        names, labels = [one[1] for one in self._kept], np.array([one[2] for one in self._kept])
        known, counts = np.unique(labels, return_counts=True)
        enough = np.isin(labels, known[counts >= LEAST_OF_CLASS])
        if enough.sum() < LEAST or len(known) < 2:
            return []
        from sklearn.ensemble import RandomForestClassifier

        features = _matrix([one[3] for one, good in zip(self._kept, enough, strict=True) if good])
        forest = RandomForestClassifier(TREES, oob_score=True, random_state=0)
        forest.fit(features, labels[enough])
        votes = forest.oob_decision_function_
        given = np.searchsorted(forest.classes_, labels[enough])
        own, best = votes[np.arange(len(given)), given], votes.argmax(axis=1)
        doubtful = [
            (float(own[place]), names[index], labels[index], str(forest.classes_[best[place]]))
            for place, index in enumerate(np.flatnonzero(enough))
            if own[place] <= GIVEN and votes[place, best[place]] >= OTHER
        ]
        return [(name, f"is {label}, looks like {other}") for _, name, label, other in sorted(doubtful)]


def _inverted(digest: str) -> str:
    """So that the heap's smallest is the largest digest."""
    return digest.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))


def _matrix(features: list[Any]) -> Any:
    """Numbers [examples, n] of what fingerprints give."""
    if isinstance(features[0], str):
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(max_features=2000, sublinear_tf=True).fit_transform(features)
    if isinstance(features[0], dict):
        from sklearn.feature_extraction import DictVectorizer

        return DictVectorizer(sparse=False).fit_transform(features)
    return np.stack(features)
