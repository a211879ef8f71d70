"""What the modality audio has to know of its examples."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.spec import ModalityFacts


class AudioFacts(ModalityFacts):
    """How waveforms were sampled."""

    sample_rate: int = Field(ge=1, description="Hertz.")
