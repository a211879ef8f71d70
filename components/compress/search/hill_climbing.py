"""Where the search goes from the best point so far: one parameter further.

Optuna's sampler has to learn which values go well together, and a few dozen trials are little for that. But of each
parameter it is known beforehand which way there is less left of the model. So every other proposal is beside the best
result: a step tighter if that is within the budget, a step looser if nothing is yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelmill.components.compress import selection
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.search_config import Point, SpaceConfig


@dataclass(frozen=True)
class Tried:
    """A point and what its chain came to; None if it has failed. `moved`: the parameter, where it was a step."""

    point: Point
    trial: dict[str, Any] | None
    moved: str = ""


def propose(
    space: SpaceConfig,
    tried: Sequence[Tried],
    float32: dict[str, Any],
    config: CompressConfig,
    is_new: Callable[[Point], bool],
) -> tuple[str, Point] | None:
    """A point beside the best one that has not been tried, and in which parameter it differs; None if there is none.

    Parameters that have led to something better come first, those that have led to nothing last.

    Args:
      tried: in their order; float32: the trial of the float model; is_new: whether a point's chain was never tried.
    """
    best, merits = None, dict[str, int]()
    for one in tried:
        ahead = one.trial is not None and (best is None or _ahead(one.trial, best.trial, float32, config))
        if one.moved:
            merits[one.moved] = merits.get(one.moved, 0) + (1 if ahead else -1)
        if ahead:
            best = one
    if best is None or best.trial is None:
        return None
    tighter = not selection.over(best.trial, float32, config)
    ways = sorted(space.beside(best.point, tighter), key=lambda way: -merits.get(way[0], 0))
    return next((way for way in ways if is_new(way[1])), None)


def _ahead(one: dict[str, Any], best: Any, float32: dict[str, Any], config: CompressConfig) -> bool:
    """Whether a result is to be preferred to the best before it."""
    trials = [{**trial, "within_budget": not selection.over(trial, float32, config)} for trial in (best, one)]
    return selection.choose(trials, float32, config.model_copy(update={"candidate": None})) == 1
