"""The quality part where answers are no classes: figures say what is wrong, and the furthest off come first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from modelmill.pipeline.layout import Folders, RunFolder
from modelmill.pipeline.records.mlmd import Artifact, Node, Recorded
from modelmill.pipeline.report.parts import quality, verdict
from tests.data import recorded


def run_of(tmp_path: Path, task: str, labels: list[str], rows: list[dict], stored_as: str = "") -> Recorded:
    """A run that has a model of the task and these predictions, in the form of that task, or of another."""
    places = {
        ("train", "model"): {
            "modelmill/model.json": json.dumps({"spec": {"task": task, "task_facts": {"labels": labels}}})
        },
        ("evaluate-compressed", "predictions"): {},
    }
    nodes = {}
    for (node, key), files in places.items():
        folder = tmp_path / node / key
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        nodes[node] = Node(node, outputs={key: [Artifact(0, "", folder)]})
    recorded.write(tmp_path / "evaluate-compressed" / "predictions", stored_as or task, rows)
    folders = Folders(tmp_path, "some")
    return Recorded(folders, RunFolder(tmp_path / "some" / "1"), {"data": {"task": task}}, {}, {}, nodes)


def row(number: int, label: object, exact: list[float], compressed: list[float]) -> dict:
    return {"sha256": f"{number:04}", "class": "x", "label": label, "float": exact, "compressed": compressed}


def test_a_regression(tmp_path: Path) -> None:
    truth = np.linspace(0, 10, 50)
    rows = [row(one, float(value), [float(value)], [float(value) + 0.5]) for one, value in enumerate(truth)]
    rows[7]["compressed"] = [20.0]
    made = quality.make(run_of(tmp_path, "regression", ["y"], rows))
    answers, errors = made["figures"]
    assert made["examples"] == 50 and "off by 0.8" in answers["says"] and "too high" in errors["says"]
    first = made["mistakes"]["rows"][0]
    assert (first["digest"], first["answer"], first["truth"]) == ("0007", "20", f"{truth[7]:.4g}")


def test_anomalies(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        row(one, int(one % 5 == 0), [float(score)], [float(score)])
        for one, score in enumerate(random.normal(0, 1, 100) + 4 * (np.arange(100) % 5 == 0))
    ]
    made = quality.make(run_of(tmp_path, "anomaly", ["score"], rows))
    assert [one["id"] for one in made["figures"]] == ["roc", "precision-recall", "scores"]
    assert "20 of 100 examples are anomalies" in made["figures"][1]["says"]
    one_kind = [row(one, 0, [0.1], [0.1 * one]) for one in range(10)]
    assert len(quality.make(run_of(tmp_path / "other", "anomaly", ["score"], one_kind))["figures"]) == 1


def test_several_labels(tmp_path: Path) -> None:
    rows = [
        row(one, [one % 2, int(one % 3 == 0)], [0.5, 0.5], [0.9 * (one % 2) + 0.05, 0.5 + 0.001 * one])
        for one in range(30)
    ]
    (figure,) = quality.make(run_of(tmp_path, "multilabel", ["even", "third"], rows))["figures"]
    assert figure["says"].startswith("Hardest to find: third")


def test_a_task_that_is_unknown_here_leaves_the_part_out(tmp_path: Path) -> None:
    assert quality.make(run_of(tmp_path, "poetry", [], [row(0, 1.0, [1.0], [1.0])], "regression")) == {}


@pytest.mark.parametrize(
    ("task", "metric", "before", "after", "told"),
    [
        ("classification", None, 0.95, 0.94, "gives up 1.00 points of accuracy"),
        ("regression", "rmse", 2.0, 2.5, "gives up 0.5000 of rmse"),
        ("regression", "rmse", 2.0, 1.75, "gives up no rmse (0.2500 better)"),
    ],
)
def test_what_was_given_up_is_told_in_the_metrics_own_sense(
    tmp_path: Path, task: str, metric: str | None, before: float, after: float, told: str
) -> None:
    name = metric or "accuracy"
    models = [{"metrics": {name: one}, "bytes": 2000, "gzip_bytes": 1000, "label": "int8"} for one in (before, after)]
    summary = {"status": "pushed", "float": models[0], "compressed": models[1], "gates": []}
    settings = {"data": {"task": task}, "evaluate": {"metric": metric}}
    run = Recorded(Folders(tmp_path, "some"), RunFolder(tmp_path), settings, summary, {}, {})
    assert told in verdict.make(run)["says"]
