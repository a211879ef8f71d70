"""How good the models are on the test split: what the task declares of the recorded predictions, drawn."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelmill.data import figures, task
from modelmill.data.core.plugins import PlugInError, UnknownNameError
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples.read import Answers
from modelmill.pipeline.report.parts import mistakes, quality_classes, quality_numeric

Draw = Callable[[Recorded, Any], list[charts.Figure]]
DRAWN: dict[type[figures.Figure], Draw] = {
    figures.ClassAccuracy: quality_classes.slices,
    figures.Confusion: quality_classes.confusion,
    figures.Calibration: quality_classes.calibration,
    figures.ClassCurves: quality_classes.curves,
    figures.Scatter: quality_numeric.scatter,
    figures.Errors: quality_numeric.errors,
    figures.Roc: quality_numeric.roc,
    figures.PrecisionRecall: quality_numeric.precision_recall,
    figures.Scores: quality_numeric.scores,
    figures.LabelPrecision: quality_numeric.label_precision,
}
NO_EXAMPLES = {"title": "", "says": "", "rows": []}


def make(run: Recorded) -> dict[str, Any]:
    """Draw the figures and list the examples that the task declares; empty without predictions or without the task.

    Raises:
      PlugInError: the task declares what can't be drawn.
    """
    folder, spec = run.path("evaluate-compressed", "predictions"), _spec(run)
    plug_in, found = _task(spec), examples.predictions(folder) if folder else None
    if plug_in is None or found is None:
        return {}
    recorded = figures.Recorded(found.records, tuple(found.labels(_labels(spec))))
    drawn: list[charts.Figure] = []
    for figure in plug_in.figures(recorded):
        if type(figure) not in DRAWN:
            allowed = ", ".join(sorted(one.__name__ for one in DRAWN))
            raise PlugInError(
                f"task {plug_in.name}: figures gives a {type(figure).__name__}, which is not drawn; allowed: {allowed}"
            )
        drawn += DRAWN[type(figure)](run, figure)
    shown = _examples(run, found.content, recorded, plug_in.examples(recorded))
    return {"examples": len(found.content), "figures": _with_ids(drawn), "mistakes": shown, "saliency": ""}


def answers(run: Recorded) -> Answers | None:
    """Return the recorded predictions of a run, if they are classes."""
    folder, spec = run.path("evaluate-compressed", "predictions"), _spec(run)
    plug_in = _task(spec)
    found = examples.predictions(folder) if folder and plug_in and plug_in.CLASSES else None
    if found is None:
        return None
    labels = found.labels(_labels(spec))
    recorded = figures.Recorded(found.records, tuple(labels))
    return Answers(found.content, recorded.truth[:, 0].astype("int64"), labels, recorded.classes)


def sources(run: Recorded) -> list[Path]:
    """Return the files that say what is drawn: they count in the key under which the drawn part is kept."""
    plug_in = _task(_spec(run))
    return [Path(inspect.getfile(one)) for one in (figures.Figure, type(plug_in)) if one is not type(None)]


def _spec(run: Recorded) -> dict[str, Any]:
    return dict((run.json("train", "model", "modelmill/model.json") or {}).get("spec", {}))


def _labels(spec: dict[str, Any]) -> Any:
    return spec.get("task_facts", {}).get("labels")


def _task(spec: dict[str, Any]) -> task.Task[Any] | None:
    try:
        return task.look_up(task.name_of(spec.get("task")))
    except (UnknownNameError, PlugInError):  # of another version, or a plug-in that is not there
        return None


def _examples(
    run: Recorded, content: list[str], recorded: figures.Recorded, shown: figures.Examples | None
) -> dict[str, Any]:
    if isinstance(shown, figures.Mistakes):
        return mistakes.make(run, Answers(content, shown.truth, list(shown.labels), dict(shown.answers)))
    if isinstance(shown, figures.FurthestOff):
        return quality_numeric.furthest_off(run, content, recorded, shown.distance)
    return NO_EXAMPLES


def _with_ids(drawn: list[charts.Figure]) -> list[charts.Figure]:
    """Number the figures of one kind from the second on: each has an id of its own in the page."""
    before = [[one["id"] for one in drawn[:place]].count(figure["id"]) for place, figure in enumerate(drawn)]
    return [{**one, "id": f"{one['id']}-{n + 1}"} if n else one for one, n in zip(drawn, before, strict=True)]
