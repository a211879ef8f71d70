"""The model card, as it lies beside the pushed model."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from modelmill.components.load_check import model_card
from modelmill.components.load_check.config import CardConfig
from modelmill.pipeline.records.mlmd import Recorded


def make(run: Recorded) -> dict[str, Any]:
    """Its sections; empty if there is no compressed model that was evaluated."""
    model = run.json("train", "model", "modelmill/model.json")
    trial = run.json("compress", "model", "trial.json")
    figures = run.json("evaluate-compressed", "evaluation", "metrics.json")
    if model is None or trial is None or figures is None:
        return {}
    if "inputs" not in model["spec"]:  # of another version
        return {}
    try:
        said = CardConfig.model_validate(run.setting("card") or {})
    except ValidationError:  # of another version: what can be measured stays
        said = CardConfig()
    name = run.setting("name") or run.folders.name
    sections = model_card.make(str(name), said, model, trial, figures)
    return {"name": name, "file": model_card.FILE, "sections": sections}
