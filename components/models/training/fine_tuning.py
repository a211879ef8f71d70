"""Base configurations of compression methods and of those that fine-tune."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.core.config import Strict


class MethodConfig(Strict):
    """Base of every method's Config."""

    method: str = Field(description="The name of a file in components/compress/methods.")


class TunedConfig(MethodConfig):
    """Base of the Configs of methods that fine-tune the model that they were given; each has its own defaults."""

    epochs: int = Field(10, ge=1, description="Of fine-tuning.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")
    teacher: float = Field(
        0.0, ge=0, le=1, description="Of the trained model's answers in the loss; the labels have the rest."
    )
    temperature: float = Field(4.0, gt=0, description="Softens those answers, as in distill.")
