"""What the modality tabular has to know of its examples."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.spec import Column, ModalityFacts


class TabularFacts(ModalityFacts):
    """The columns of a table."""

    columns: tuple[Column, ...] = Field((), description="What each number of the vector is.")
