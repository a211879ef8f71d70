"""TFMA draws the parts of its jackknife at random; with the patch it draws them by a seed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tensorflow_model_analysis.api import model_eval_lib
from tfx.components.evaluator import executor

from modelmill.components.upstream import guard, tfma_internals


def test_tfx_gives_tfma_neither_a_seed_nor_evaluators() -> None:
    source = inspect.getsource(executor)
    assert "ExtractEvaluateAndWriteResults(" in source
    assert "random_seed" not in source and "evaluators=" not in source


@pytest.mark.parametrize(("version", "seed"), [(None, 3), ("9.0.0", None)])
def test_evaluators_are_made_with_a_seed_within(
    monkeypatch: pytest.MonkeyPatch, version: str | None, seed: int | None
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(model_eval_lib, "default_evaluators", lambda **named: seen.append(named))
    if version:
        monkeypatch.setattr(guard, "installed", lambda distribution: version)
    with tfma_internals.seeded_jackknife(3):
        model_eval_lib.default_evaluators(schema="s", random_seed_for_testing=None)
    model_eval_lib.default_evaluators(random_seed_for_testing=None)
    assert seen == [{"schema": "s", "random_seed_for_testing": seed}, {"random_seed_for_testing": None}]
