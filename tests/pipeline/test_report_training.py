"""What the report says of the curves of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelmill.pipeline.layout import Folders, RunFolder
from modelmill.pipeline.records.mlmd import Artifact, Node, Recorded
from modelmill.pipeline.report.parts import training

History = list[dict[str, float]]


def curves(folder: Path, history: History) -> dict[str, str]:
    """Return what the page says of each curve of a run with this history."""
    (folder / "history.json").write_text(json.dumps(history))
    nodes = {"train": Node("train", outputs={"model_run": [Artifact(0, "", folder)]})}
    run = Recorded(Folders(folder, "some"), RunFolder(folder / "some" / "1"), {}, {}, {}, nodes)
    return {figure["id"]: figure["says"] for figure in training.make(run)["figures"]}


@pytest.mark.parametrize(
    ("loss", "eval_loss", "said"),
    [
        (0.98, 1.0, "The two stay close"),
        (0.001, 0.02, "The two stay close"),  # a trifle
        (0.7, 1.0, "Eval is above train by 30% of it"),
        (0.3, 1.0, "a sign of overfitting"),
    ],
)
def test_how_far_train_and_eval_are_apart_is_told(tmp_path: Path, loss: float, eval_loss: float, said: str) -> None:
    assert said in curves(tmp_path, [{"loss": loss, "val_loss": eval_loss}])["curve-loss"]


@pytest.mark.parametrize(
    "row",
    [
        {"loss": 0.3, "val_loss": 1.0, "critic_loss": 0.2, "main_loss": 0.1},  # they work against each other
        {"loss": -0.9, "val_loss": -0.2},  # a score, a likelihood: no error
    ],
)
def test_nothing_is_said_of_overfitting_where_the_loss_is_no_error(tmp_path: Path, row: dict[str, float]) -> None:
    said = curves(tmp_path, [row])["curve-loss"]
    assert "on eval" in said and "overfitting" not in said


def test_an_update_that_some_epochs_lack_has_a_curve(tmp_path: Path) -> None:
    first, last = {"loss": 1.0, "val_loss": 1.0, "val_main_loss": 2.0}, {"loss": 1.0, "val_loss": 1.0, "main_loss": 0.5}
    for history in ([first, last], [last, first]):
        assert curves(tmp_path, history).keys() == {"curve-loss", "curve-main_loss"}
