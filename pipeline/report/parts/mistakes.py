"""The examples that the compressed model gets wrong, with the example itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.examples import read as examples
from modelmill.pipeline.report.examples import render
from modelmill.pipeline.report.examples.read import Answers

MISTAKES = 24


def make(run: Recorded, found: Answers) -> dict[str, Any]:
    """The examples on which the compressed model is surest of a wrong answer; else those it is least sure of."""
    model, answer = found.models["compressed"], found.answer("compressed")
    sure = model.probabilities[:, 0]
    wrong = np.flatnonzero(answer != found.truth)
    if len(wrong):
        order = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
        count = f"{format.plural(len(wrong), 'mistake')} in {format.plural(len(sure), 'example')}"
        says = f"{count}; the surest first. Look for wrong labels, too."
        if len(wrong) > len(order):
            says = f"The {len(order)} surest of {says[0].lower() + says[1:]}"
    else:
        order = np.argsort(sure, kind="stable")[: MISTAKES // 2]
        says = f"No mistakes in {format.plural(len(sure), 'example')}; these are the ones of which it is least sure."
    split, data = run.path("ingest", "examples", "Split-test"), run.setting("data") or {}
    raw = examples.raw(split, {found.content[one] for one in order}) if split else {}
    rows = []
    for one in order:
        example = raw.get(found.content[one], {})
        rows.append(
            {
                "digest": found.content[one],
                "path": example.get("path", found.content[one]),
                "shown": render.example(str(data.get("modality")), example, data) if example else None,
                "truth": found.labels[found.truth[one]],
                "answer": found.labels[answer[one]],
                "wrong": bool(answer[one] != found.truth[one]),
                "probability": f"{sure[one]:.2f}",
                "right_probability": f"{model.right[one]:.2f}",
                "float": found.labels[found.answer("float")[one]],
                "saliency": None,
                "attention": None,
                "tokens": [],
                "attended": [],
            }
        )
    return {"title": "Worst mistakes" if len(wrong) else "Least sure", "says": says, "rows": rows}
