"""Statistics of counts, by scipy."""

from __future__ import annotations

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
