"""Which trial is taken: the budget, the preferred one within it, the others worth keeping in mind, the nearest miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelmill.components.compress.config import CompressConfig

Trial = dict[str, Any]
# A difference of shares of one split: what is less than the rounding of a float64 is no difference.
ROUNDING = 1e-9


def over(tried: Trial, float32: Trial, config: CompressConfig) -> list[str]:
    """The limits of the budget that a trial breaks, in words."""
    if tried["status"] != "ok":
        return []
    found = []
    for metric, value in tried["metrics"].items():
        drop = (float32["metrics"][metric] - value) * sign(tried)
        if drop > config.max_drop + ROUNDING:
            way = "falls" if sign(tried) > 0 else "rises"
            found.append(f"{metric} {way} by {drop:.4f}, allowed is {config.max_drop:g} (compress.max_drop)")
    if config.max_bytes is not None and tried["gzip_bytes"] > config.max_bytes:
        found.append(f"{tried['gzip_bytes']:,} bytes gzipped, allowed are {config.max_bytes:,} (compress.max_bytes)")
    if config.max_latency_ms is not None and tried["latency_ms"] > config.max_latency_ms:
        found.append(f"{tried['latency_ms']:.3f} ms, allowed are {config.max_latency_ms:g} (compress.max_latency_ms)")
    return found


def excess(tried: Trial, float32: Trial, config: CompressConfig) -> float:
    """By how much a trial misses the budget, each limit in its own unit; 0 within."""
    drops = [(float32["metrics"][name] - value) * sign(tried) for name, value in tried["metrics"].items()]
    parts = [max(0.0, drop - config.max_drop) / max(config.max_drop, 0.01) for drop in drops]
    if config.max_bytes is not None:
        parts.append(max(0.0, tried["gzip_bytes"] / config.max_bytes - 1))
    if config.max_latency_ms is not None:
        parts.append(max(0.0, tried["latency_ms"] / config.max_latency_ms - 1))
    return sum(parts)


def choose(trials: list[Trial], float32: Trial, config: CompressConfig) -> int:
    """The preferred one, or the candidate, within the budget; else the nearest to it, for a gate to refuse.

    Raises:
      RuntimeError: every chain failed.
    """
    sound = [number for number, tried in enumerate(trials) if tried["status"] == "ok"]
    if not sound:
        reasons = "; ".join(f"{tried['label']}: {tried['reason']}" for tried in trials)
        raise RuntimeError(f"every compression chain failed: {reasons}")
    if not any(trials[number]["within_budget"] for number in sound):
        return min(sound, key=lambda number: (excess(trials[number], float32, config), number))
    if config.candidate:
        return candidates(trials)[config.candidate]
    within = [number for number in sound if trials[number]["within_budget"]]
    return min(within, key=lambda number: (cost(trials[number], config.prefer), trials[number]["gzip_bytes"], number))


def candidates(trials: list[Trial]) -> dict[str, int]:
    """`quality`, `balanced` and `compact`: of those within the budget, or of all that are sound if none is."""
    sound = [number for number, tried in enumerate(trials) if tried["status"] == "ok"]
    among = [number for number in sound if trials[number]["within_budget"]] or sound
    if not among:
        return {}
    sizes = {number: float(trials[number]["gzip_bytes"]) for number in among}
    goods = {number: -cost(trials[number], "metric") for number in among}

    def away(number: int) -> float:
        """From the best of both, each in units of its range."""
        spans = [max(one.values()) - min(one.values()) or 1.0 for one in (sizes, goods)]
        larger, worse = sizes[number] - min(sizes.values()), max(goods.values()) - goods[number]
        return larger / spans[0] + worse / spans[1]

    return {
        "quality": max(among, key=lambda number: (goods[number], -sizes[number])),
        "balanced": min(among, key=lambda number: (away(number), number)),
        "compact": min(among, key=lambda number: (sizes[number], -goods[number])),
    }


def pareto(trials: list[Trial], objectives: Sequence[str]) -> list[int]:
    """The sound trials that no other beats: none is at least as good in all and better in one."""
    costs = {n: tuple(cost(one, name) for name in objectives) for n, one in enumerate(trials) if one["status"] == "ok"}
    return [
        number
        for number, own in costs.items()
        if not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in costs.values())
    ]


def cost(tried: Trial, objective: str) -> float:
    """What should be small; of the metric the negative if more of it is better, of several their mean."""
    if objective == "metric":
        return -sign(tried) * sum(tried["metrics"].values()) / len(tried["metrics"])
    value = tried[objective]
    return float("inf") if value is None else float(value)


def sign(tried: Trial) -> int:
    """1 where more of the metric is better, -1 where less is."""
    return 1 if tried.get("higher_is_better", True) else -1
