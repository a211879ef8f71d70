"""Confidence intervals of shares, of paired differences of shares and of jackknifed metrics; significance of losses.

Free of TFX and TensorFlow. Gates, summary, report and model card take their intervals from here, so that one figure has
one kind of interval; docs/gates.md says which, and why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Interval = tuple[float, float]
# From a root at the estimate, which the score equation has where no pair differs, to the other one.
_STEP = 1e-12


def critical(confidence: float) -> float:
    """Return the standard normal quantile of a two-sided interval: 1.96 for 0.95."""
    from scipy import stats

    return float(stats.norm.ppf(0.5 + confidence / 2))


def wilson(right: int, examples: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a share (Wilson 1927): `right` of `examples`."""
    z, share = critical(confidence), right / examples
    centre = share + z**2 / (2 * examples)
    reach = z * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2))
    low, high = ((centre + side * reach) / (1 + z**2 / examples) for side in (-1, 1))
    return (0.0 if right == 0 else low), (1.0 if right == examples else high)


def tango(only_first: int, only_second: int, examples: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a difference of two shares of the same examples (Tango 1998).

    Args:
      only_first: examples on which the first model alone is right.
      only_second: examples on which the second model alone is right.
      examples: of both, those on which the models agree among them.
      confidence: of the two-sided interval.

    Returns:
      The ends of the interval of the first share minus the second. It is ± z²/(examples + z²) where no example differs.
    """
    z = critical(confidence)
    return -_tango_upper(only_second, only_first, examples, z), _tango_upper(only_first, only_second, examples, z)


def _tango_upper(b: int, c: int, n: int, z: float) -> float:
    """Return the difference at which the score statistic of Tango (1998), equation 26, is -z."""
    from scipy import optimize

    def score(difference: float) -> float:
        """Return the statistic plus z, times the standard error that the restricted estimate gives."""
        # The estimate of the share of pairs of kind c under the hypothesis: the larger root of a quadratic equation.
        middle = -b - c + (2 * n - b + c) * difference
        root = math.sqrt(max(0.0, middle**2 + 8 * n * c * difference * (1 - difference)))
        variance = 2 * (root - middle) / (4 * n) + difference * (1 - difference)
        return b - c - n * difference + z * math.sqrt(n * max(0.0, variance))

    start = (b - c) / n + _STEP
    return 1.0 if start >= 1 else float(optimize.brentq(score, start, 1.0, xtol=1e-12))


def narrowest(examples: int, confidence: float) -> float:
    """Return half the width of Tango's interval where no example differs; no interval of that many is narrower."""
    z = critical(confidence)
    return z**2 / (examples + z**2)


def needed(limit: float, confidence: float, scale: float = 1.0) -> int | None:
    """Return the least number of examples whose narrowest interval, times `scale`, ends within the limit.

    None: no number of examples is enough, because the limit is 0.
    """
    if limit <= 0:
        return None
    count = max(1, math.ceil(critical(confidence) ** 2 * (scale / limit - 1)))
    return count if narrowest(count, confidence) * scale < limit else count + 1


def student(value: float, error: float, freedom: float, confidence: float, least_reach: float = 0.0) -> Interval:
    """Return Student's interval around a value with a standard error; to each side it reaches `least_reach` or more."""
    from scipy import stats

    reach = max(float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error, least_reach)
    return value - reach, value + reach


def clipped(interval: Interval, least: float | None, most: float | None) -> Interval:
    """Return the part of an interval that lies within the bounds of what is measured; None is no bound."""
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    return min(max(interval[0], low), high), min(max(interval[1], low), high)


def share_below(right: int, examples: int, bound: float) -> float:
    """Return the one-sided p-value of Wilson's test: a share this low, or lower, though the true one is the bound."""
    from scipy import stats

    short = bound - right / examples
    if short <= 0:
        return 1.0
    return float(stats.norm.sf(short / math.sqrt(bound * (1 - bound) / examples))) if bound < 1 else 0.0


def paired_loss(only_first: int, only_second: int) -> float:
    """Return the one-sided p-value of McNemar's test, which Tango's interval inverts: a loss by chance."""
    from scipy import stats

    if only_second <= only_first:
        return 1.0
    return float(stats.norm.sf((only_second - only_first) / math.sqrt(only_first + only_second)))


def student_loss(lost: float, error: float, freedom: float) -> float:
    """Return the one-sided p-value of Student's test: a loss this large, or larger, though the true one is 0."""
    from scipy import stats

    if lost <= 0:
        return 1.0
    return float(stats.t.sf(lost / error, freedom)) if error > 0 else 0.0


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Return which hypotheses Holm (1979) rejects; the chance that one of them is true is at most `level`."""
    rejected = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for step, place in enumerate(order):
        if p_values[place] > level / (len(order) - step):
            break
        rejected[place] = True
    return rejected


def _least(limit: float, worse: int, better: int, confidence: float = 0.95) -> int:
    """Return the least number of examples that excludes a loss although so many are answered worse and better."""
    low, high = worse + better - 1, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if tango(better, worse, middle, confidence)[0] > -limit else (middle, high)
    return high


def _table() -> None:
    """Print how many examples exclude a loss: the table of docs/gates.md."""
    for limit in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2):
        print(f"| {limit:g} | {needed(limit, 0.95)} | {_least(limit, 1, 0)} | {_least(limit, 5, 5)} |")


if __name__ == "__main__":
    _table()
