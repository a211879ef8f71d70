"""What the modality series has to know of its examples."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.spec import Column, ModalityFacts


class SeriesFacts(ModalityFacts):
    """The channels of time series."""

    columns: tuple[Column, ...] = Field((), description="Each channel that holds values.")
    masked: bool = Field(False, description="The last channel is 1 where there is a step, and 0 where it was padded.")
