"""Metrics of a ranking: areas under the ROC curve, exact for few examples and of histograms for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data.metric import Metric, Records, Stats

Counts = NDArray[np.float64]
# A slice of fewer examples is exact.
EXACT = 20_000
# Scores of one slice, all labels together, that are kept for that: with their truths they are 1 MiB, and so are two
# histograms of as many bins.
KEPT = 65_536
BINS = 16_384
# Beyond these, scores share the outermost bins: logits of probabilities, and binary logarithms of other scores.
LOGITS, OCTAVES = 16.0, (-40.0, 40.0)


def auc(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """The area under the ROC curve, exactly: how often a 1 scores above a 0, ties counting half."""
    return area(*_steps(scores, labels))


def partial_auc(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """The area under the ROC curve up to a tenth of false alarms, by the greatest that it can be there."""
    return partial_area(*_steps(scores, labels))


def area(positive: Counts, negative: Counts) -> float:
    """The area under the ROC curve, of how many examples of each kind have a score; scores rise, float64 [scores]."""
    hits, alarms = positive.sum(), negative.sum()
    if not hits or not alarms or np.isnan(hits):
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / (hits * alarms))


def partial_area(positive: Counts, negative: Counts, share: float = 0.1) -> float:
    """The area up to that share of false alarms, by the greatest that it can be there."""
    if not positive.sum() or not negative.sum() or np.isnan(positive.sum()):
        return float("nan")
    # Equal scores are one step of the curve, which begins with the greatest.
    hits = np.r_[0, np.cumsum(positive[::-1])] / positive.sum()
    alarms = np.r_[0, np.cumsum(negative[::-1])] / negative.sum()
    inside = alarms < share
    x, y = np.r_[alarms[inside], share], np.r_[hits[inside], np.interp(share, alarms, hits)]
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / share)


@dataclass(frozen=True)
class Ranking(Metric):
    """A metric of how scores rank examples: the mean over labels of an area; a label without both kinds has none.

    Slices of fewer than EXACT examples are exact, with scores as float32; larger ones are counted in bins with fixed
    edges, 16,384 of a single label. So many scores and bins take 1 MiB: with more than three labels the limit is
    KEPT / labels examples, with more than three the bins are KEPT / labels, too: 4,096 of sixteen labels, 65 of a
    thousand, whose areas are coarse: a metric of fixed thresholds, such as F1, says more of so many labels.

    Attributes:
      score: of a batch, float [examples] or [examples, labels].
      positive: whether an example has the label, of the same shape.
      area: of counts by rising score.
      probabilities: whether scores are in [0, 1]; others may be anything from 0 on.
    """

    score: Callable[[Records], NDArray[Any]] = field(kw_only=True)
    positive: Callable[[Records], NDArray[Any]] = field(kw_only=True)
    area: Callable[[Counts, Counts], float] = field(kw_only=True, default=area)
    probabilities: bool = field(kw_only=True, default=True)

    def accumulate(self, recorded: Records) -> Stats:
        """Return scores and truths, or their histograms if they are many."""
        scores = np.asarray(self.score(recorded), np.float32).astype(np.float64)
        if not len(scores):
            return {}
        scores = scores.reshape(len(scores), -1)
        truths = np.asarray(self.positive(recorded)).reshape(scores.shape).astype(np.float64)
        return self._fitted({"scores": scores, "truths": truths})

    def merge(self, parts: Iterable[Stats]) -> Stats:
        """Return all scores, or their histograms if they are many by now."""
        given = [part for part in parts if part]
        if len(given) < 2:
            return given[0] if given else {}
        if all("scores" in part for part in given):
            return self._fitted({key: np.concatenate([part[key] for part in given]) for key in given[0]})
        return super().merge(part if "negative" in part else self._binned(part) for part in given)

    def value(self, stats: Stats) -> float:
        """Return the mean over the labels that have an area."""
        if not stats:
            return float("nan")
        if "scores" in stats:
            pairs = [_steps(*label) for label in zip(stats["scores"].T, stats["truths"].T, strict=True)]
        else:
            pairs = [_counted(*label) for label in zip(stats["positive"], stats["negative"], strict=True)]
        areas = [self.area(*pair) for pair in pairs]
        return float(np.nanmean(areas)) if not np.isnan(areas).all() else float("nan")

    def _fitted(self, stats: Stats) -> Stats:
        examples, labels = stats["scores"].shape
        return stats if examples < min(EXACT, KEPT // labels + 1) else self._binned(stats)

    def _binned(self, stats: Stats) -> Stats:
        """Histograms [labels, bins + 1] of each kind; the last bin is of what is not a number."""
        bins = max(2, min(BINS, KEPT // stats["scores"].shape[1] - 1))
        edges = _edges(bins, self.probabilities)
        counted = np.zeros((2, stats["scores"].shape[1], bins + 1))
        for label, (scores, truths) in enumerate(zip(stats["scores"].T, stats["truths"].T, strict=True)):
            places = np.where(np.isnan(scores), bins, np.searchsorted(edges, scores, side="right"))
            for kind in (0, 1):
                counted[kind, label] = np.bincount(places[truths == kind], minlength=bins + 1)
        return {"negative": counted[0], "positive": counted[1]}


@lru_cache(maxsize=8)
def _edges(bins: int, probabilities: bool) -> Counts:
    """The inner edges: equally far apart as logits or as logarithms, since scores crowd near 0, or near 0 and 1."""
    if probabilities:
        return np.asarray(1 / (1 + np.exp(-np.linspace(-LOGITS, LOGITS, bins - 1))))
    return np.asarray(2 ** np.linspace(*OCTAVES, bins - 1))


def _steps(scores: NDArray[Any], truths: NDArray[Any]) -> tuple[Counts, Counts]:
    """How many of each kind have each distinct score, in rising order."""
    scores, positive = scores.reshape(-1), truths.reshape(-1) > 0.5
    if np.isnan(scores).any():
        return np.array([np.nan]), np.array([np.nan])
    distinct, places = np.unique(scores, return_inverse=True)
    hits = np.bincount(places, positive.astype(np.float64), len(distinct))
    return np.asarray(hits, np.float64), np.asarray(np.bincount(places, minlength=len(distinct)) - hits, np.float64)


def _counted(positive: Counts, negative: Counts) -> tuple[Counts, Counts]:
    """The bins of numbers; if there was anything else, nothing is known."""
    unknown = positive[-1] + negative[-1] > 0
    return (np.array([np.nan]), np.array([np.nan])) if unknown else (positive[:-1], negative[:-1])
