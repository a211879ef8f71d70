"""What the report says of the curves of training."""

from __future__ import annotations

import json

import pytest

from modelmill.pipeline.report.parts import training


@pytest.mark.parametrize(
    ("loss", "eval_loss", "said"),
    [
        (0.98, 1.0, "The two stay close"),
        (0.001, 0.02, "The two stay close"),  # a trifle
        (0.7, 1.0, "Eval is above train by 30% of it"),
        (0.3, 1.0, "a sign of overfitting"),
    ],
)
def test_how_far_train_and_eval_are_apart_is_told(loss: float, eval_loss: float, said: str) -> None:
    figure = training._curve([{"loss": loss, "val_loss": eval_loss}], "loss", None)
    assert said in json.dumps(figure, default=lambda one: vars(one))
