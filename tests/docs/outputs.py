"""Checks what the commands of the docs say and write: that a command ends with 0 is not enough."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from modelmill.data.core import format
from modelmill.pipeline.records import run as results
from modelmill.pipeline.records.run import Run

ROOT = Path("runs")
PUSHING = ("pushed", "refused")  # runs that went through the whole chain


def page_text(path: Path) -> str:
    """A page without its scripts, styles and marks."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", bare).split()))


def newest(experiment: str | None = None) -> Run:
    """The newest run of an experiment, or of all."""
    return results.every(ROOT, [experiment] if experiment else ())[-1]


def check(typed: list[str], told: str) -> None:
    """Asserts that a command of the docs, as it was typed, came to what it is there for.

    Args:
      typed: the words behind `modelmill`.
      told: what it wrote to stdout.
    """
    CHECKS[typed[0]](typed, told)


def holds_model(text: str, run: Run) -> None:
    """Asserts that a page tells the run's id, and the figures of the models that it trained and compressed."""
    assert run.id in text and run.status in PUSHING, f"{run.experiment}/{run.id} is {run.status}"
    assert run.float_model and run.compressed_model
    for model in (run.float_model, run.compressed_model):
        for figure in (format.number(model.metrics["accuracy"]), format.size(model.gzip_bytes)):
            assert figure in text, f"{figure} of {run.experiment}/{run.id} is not on the page"
    assert run.compressed_model.made_by in text


def _report(typed: list[str], told: str) -> None:
    path = Path(told.strip())
    text = page_text(path)
    if "--compare" in typed:
        for name in (word for word in typed[1:] if not word.startswith("-")):
            holds_model(text, results.read(Path(name)))
        return
    run = newest("my-project" if "my-project" in typed else None)
    assert path.resolve().parent == (Path("to-be-sent").resolve() if "-o" in typed else run.folder)
    holds_model(text, run)
    assert "Nothing was trained" not in text and "epochs 1 of 1" in text
    assert run.pushed and str(run.pushed) in text
    assert f"{run.examples['test']} examples of the test split" in text
    if "--saliency" in typed:
        assert "what decided: brighter counted more" in path.read_text(encoding="utf-8")


def _runs(typed: list[str], told: str) -> None:
    lines = told.splitlines()
    for run in results.every(ROOT):
        (line,) = (line for line in lines if line.startswith(f"{run.experiment}/{run.id} "))
        assert f" {run.status} " in line
        assert all(
            f"{model.metrics['accuracy']:.4f}" in line for model in (run.float_model, run.compressed_model) if model
        )


def _predict(typed: list[str], told: str) -> None:
    line = json.loads(told)
    labels = (Path(typed[1]) / "labels.txt").read_text(encoding="utf-8").split()
    assert line["file"] == typed[2] and set(line["probabilities"]) == set(labels)
    assert line["label"] == max(line["probabilities"], key=lambda label: line["probabilities"][label])


def _push(typed: list[str], told: str) -> None:
    run = newest(typed[1])
    settings = yaml.safe_load((run.folder / "experiment.yaml").read_text(encoding="utf-8"))
    assert run.status == "pushed" and settings["compress"]["candidate"] == typed[typed.index("--candidate") + 1]


def _clean(typed: list[str], told: str) -> None:
    assert "nothing to delete" in told or "MB would be freed" in told, told


def _check(typed: list[str], told: str) -> None:
    kinds = [line.split()[0] for line in told.splitlines()]
    assert set(kinds) <= {"ok", "mind"} and "classes" in told


def _preview(typed: list[str], told: str) -> None:
    content = Path(told.strip()).read_text(encoding="utf-8")
    count = int(typed[typed.index("-n") + 1])
    assert content.count("<article") == count and content.count("data:image/") >= 2 * count, "before and after"


def _schema(typed: list[str], told: str) -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    path = Path(typed[typed.index("--out") + 1])
    found = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    assert {"image", "label"} <= {feature.name for feature in found.feature}


def _show(typed: list[str], told: str) -> None:
    written = yaml.safe_load(Path(typed[1]).read_text(encoding="utf-8"))
    shown = yaml.safe_load(told)
    assert shown["model"]["family"] == written["model"]["family"] and shown["train"]["epochs"] > 0


def _compile(typed: list[str], told: str) -> None:
    text = Path(told.strip()).read_text(encoding="utf-8")
    job = next(iter(yaml.safe_load_all(text)))
    spec = job.get("pipelineSpec", job)
    assert spec["pipelineInfo"]["name"] == typed[1] and {"train", "push"} <= set(spec["root"]["dag"]["tasks"])


CHECKS: dict[str, Callable[[list[str], str], None]] = {
    "report": _report,
    "runs": _runs,
    "predict": _predict,
    "push": _push,
    "clean": _clean,
    "check": _check,
    "preview": _preview,
    "schema": _schema,
    "show": _show,
    "compile": _compile,
}
