"""The `compress` section of an experiment: chains of methods, and the budget within which one is chosen."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import method
from modelmill.components.compress.chain import label, parse_chain
from modelmill.components.compress.presets import PRESETS
from modelmill.components.compress.search_config import SearchConfig
from modelmill.components.models import family
from modelmill.data import task
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict

# Roughly: seconds to load TensorFlow and the data; those of a chain besides its epochs, to trace, convert and measure;
# how long an epoch of fine-tuning takes, with fewer bits or zeros simulated, relative to one of training.
START, CHAIN, TUNING = 20.0, 10.0, 1.5
CALIBRATION = "calibration_error"
Candidate = Literal["quality", "balanced", "compact"]


class CompressConfig(Strict):
    """Every chain is tried; of the results within the budget the preferred one is chosen."""

    preset: str | None = Field(
        None, description=f"Of {', '.join(PRESETS)}: fills in chains, prefer and max_drop where they are not given."
    )
    chains: tuple[tuple[dict[str, Any], ...], ...] = Field(
        (({"method": "int8"},), ({"method": "dynamic_range"},)),
        min_length=1,
        description="Lists of methods, each a name, or a name with its settings: {prune: {sparsity: 0.8}}.",
    )
    search: SearchConfig | None = Field(None, description="Tries further chains, which it finds itself.")
    prefer: Literal["gzip_bytes", "bytes", "latency_ms", "macs", "metric"] = Field(
        "gzip_bytes", description="By what the chosen one is the best within the budget."
    )
    candidate: Candidate | None = Field(
        None, description="Instead of the preferred one: the best, the smallest, or what is between them."
    )
    max_drop: float = Field(0.01, ge=0, description="How much worse the metric may be than the float model's.")
    margin: float = Field(
        0.02, ge=0, description="The test split's interval of the drop may reach this much below max_drop."
    )
    max_bytes: int | None = Field(None, ge=1, description="Of the flatbuffer, gzipped.")
    min_agreement: float | None = Field(
        None, ge=0, le=1, description="Share of the test split that it must answer as the float model does."
    )
    max_calibration_rise: float | None = Field(
        None, ge=0, description="How much larger than the float model's its calibration error may be on the test split."
    )
    workers: int = Field(
        1, ge=1, description="Trials made at once, each in a process; what comes out does not depend on it."
    )
    max_latency_ms: float | None = Field(None, gt=0, description="Of one example on one thread of this machine.")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        """What is given goes before what the preset says."""
        name = values.get("preset") if isinstance(values, dict) else None
        if name is None:
            return values
        if name not in PRESETS:
            raise ValueError(plugins.unknown("preset", str(name), PRESETS))
        return {**PRESETS[name], **values}

    @field_validator("chains", mode="before")
    @classmethod
    def _chains(cls, chains: Any) -> Any:
        return [parse_chain(chain) for chain in chains] if isinstance(chains, (list, tuple)) else chains

    @field_validator("chains")
    @classmethod
    def _once(cls, chains: Any) -> Any:
        for place, chain in enumerate(chains):
            if chain in chains[:place]:
                raise ValueError(f"{label(chain)} with the same settings is there twice; leave one out")
        return chains

    def canonical(self) -> str:
        """As any section's, but always with one worker: see trials/worker_count.py."""
        return Strict.canonical(self.model_copy(update={"workers": 1}))

    def check(self, asked: str, model: str) -> None:
        """Refuse a bound of what the task has not, and a method that can't export what the family has.

        Args:
          asked: the name of the task.
          model: the name of the family.

        Raises:
          ValueError: names the field and says what to do.
        """
        if family.look_up(model).has_signatures():
            for name in sorted({step["method"] for chain in self.chains for step in chain}):
                if method.look_up(name).KEEPS_WRAPPERS:
                    raise ValueError(
                        f"compress: {name} can't export the further signatures of model.family: {model}; "
                        "leave it out, or use int8, int4 or dynamic_range instead"
                    )
        found = task.look_up(asked)
        told = {"min_agreement": found.AGREES, "max_calibration_rise": CALIBRATION in found.REPORTED}
        for name, there in told.items():
            if getattr(self, name) is not None and not there:
                raise ValueError(f"compress.{name}: data.task {asked} has no such figure; leave it out")

    def modules(self) -> list[str]:
        """The plug-ins that may run, for the digest of the code."""
        found = {name for chain in self.chains for step in chain for name in compress_chain.modules(step)}
        if self.search:
            found |= {f"{method.PACKAGE}.{name}" for name in plugins.names(method.PACKAGE)}
        return sorted(found)

    def cost(self) -> tuple[int, int]:
        """How many chains are tried, and at most how many epochs of fine-tuning that takes; shared steps count once."""
        steps = {str(chain[: place + 1]): step for chain in self.chains for place, step in enumerate(chain)}
        epochs = sum(int(step.get("epochs", 0)) for step in steps.values())
        if self.search is None:
            return len(self.chains), epochs
        trials = self.search.max_trials
        return len(self.chains) + trials, epochs + self.search.space.epochs_at_most(trials)

    def seconds(self, epoch: float) -> float:
        """How long all of it takes, roughly, one chain after the other; `epoch`: seconds of one of training."""
        chains, epochs = self.cost()
        return START + chains * CHAIN + epochs * epoch * TUNING
