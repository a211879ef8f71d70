"""TensorFlow Model Analysis: the seed of its jackknife, which TFX's Evaluator does not hand on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from modelmill.components.upstream import guard

TFMA = guard.Library("tensorflow-model-analysis", "==0.52.*")


@contextlib.contextmanager
def seeded_jackknife(seed: int) -> Iterator[None]:
    """Let TFMA draw, within, the parts of its jackknife by a seed, where nobody gives it evaluators of their own."""
    without = "intervals by the jackknife differ a little from run to run"
    if not guard.applies(TFMA, "seeding TFMA's jackknife", without):
        yield
        return
    from tensorflow_model_analysis.api import model_eval_lib

    before = model_eval_lib.default_evaluators

    def seeded(*arguments: Any, **named: Any) -> Any:
        return before(*arguments, **{**named, "random_seed_for_testing": seed})

    model_eval_lib.default_evaluators = seeded
    try:
        yield
    finally:
        model_eval_lib.default_evaluators = before
