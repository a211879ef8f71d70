"""The `card` section of an experiment: what only a person can say about the model."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.core.config import Strict

UNSAID = "Not stated; the experiment has a section for it, card."


class CardConfig(Strict):
    """Fields of the model card that can't be measured."""

    intended_use: str = Field("", description="What the model is for.")
    users: str = Field("", description="Who is to use it.")
    out_of_scope: str = Field("", description="What it must not be used for.")
    limits: str = Field("", description="Known weaknesses, and what to mind.")
    ethics: str = Field("", description="Who may be harmed by wrong answers, and what was done about it.")
    data: str = Field("", description="Where the examples come from, and who may be missing in them.")
    owner: str = Field("", description="Whom to ask.")
    licence: str = Field("", description="Of the model.")
