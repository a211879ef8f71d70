"""Statistics of counts, by scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[int, int, float]:
    """McNemar's exact test of two models on the same examples, bool [examples] each: whether they were right.

    Returns:
      On how many only the first is right, on how many only the other, and the p-value of their being equally good.
    """
    from scipy.stats import binomtest

    only_one, only_other = int((one & ~other).sum()), int((~one & other).sum())
    total = only_one + only_other
    return only_one, only_other, float(binomtest(only_one, total).pvalue) if total else 1.0


def calibration(probabilities: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 10) -> dict[str, Any]:
    """Bins of the answer's probability, as wide as one another, and the expected calibration error (Guo et al. 2017).

    Args:
      probabilities: of the answer, [examples].
      correct: whether it is right, [examples].
      bins: how many.
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for one in range(bins):
        inside = place == one
        count = int(inside.sum())
        if count:
            confidence, accuracy = float(probabilities[inside].mean()), float(correct[inside].mean())
            rows.append({"confidence": confidence, "accuracy": accuracy, "examples": count})
            error += count / len(place) * abs(confidence - accuracy)
    return {"rows": rows, "error": error}
