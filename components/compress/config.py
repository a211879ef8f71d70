"""The `compress` section of an experiment: chains of methods, and the budget within which one is chosen."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from components.compress import method
from data.config import Strict


class CompressConfig(Strict):
    """Every chain is tried; the smallest result (gzipped) within the budget is chosen."""

    chains: tuple[tuple[dict[str, Any], ...], ...] = Field(
        (({"method": "int8"},), ({"method": "dynamic_range"},)),
        min_length=1,
        description="Lists of methods, each a name, or a name with its settings: {prune: {sparsity: 0.8}}.",
    )
    max_drop: float = Field(0.01, ge=0, description="How much worse the metric may be than the float model's.")
    margin: float = Field(
        0.02, ge=0, description="The test split's interval of the drop may reach this much below max_drop."
    )
    max_bytes: int | None = Field(None, ge=1, description="Of the flatbuffer, gzipped.")
    max_latency_ms: float | None = Field(None, gt=0, description="Of one example on one thread of this machine.")

    @field_validator("chains", mode="before")
    @classmethod
    def _chains(cls, chains: Any) -> Any:
        return [method.parse_chain(chain) for chain in chains] if isinstance(chains, (list, tuple)) else chains
