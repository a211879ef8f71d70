"""What the modality text has to know of its examples."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.spec import ModalityFacts


class TextFacts(ModalityFacts):
    """What token ids are of."""

    vocabulary: int = Field(ge=1, description="How many token ids there are.")
    tokenizer: str = Field(
        "", description="Its JSON, see data/modalities/text/tokenizer/train.py; empty before there are data."
    )
    pairs: bool = Field(False, description="Each example is two texts, with a tab between them.")
