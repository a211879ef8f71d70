"""The section `compress.search`: what is looked for, in which space of chains, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from components.compress import method
from data.config import Strict

Objective = Literal["gzip_bytes", "bytes", "latency_ms", "macs", "arena_bytes", "metric"]
Export = Literal["float16", "dynamic_range", "int8", "int4", "aware"]
# Of `aware`: which method it is behind which others.
AWARE = {(): "qat", ("prune",): "pqat", ("cluster",): "cqat", ("prune", "cluster"): "pcqat"}
# The steps of a chain in their order, each with the setting that the space varies.
STEPS = {
    "distill": "width",
    "structured": "amount",
    "low_rank": "energy",
    "prune": "sparsity",
    "cluster": "clusters",
}


class SpaceConfig(Strict):
    """What a chain can consist of: of each step one of the values or none, in this order, then one of the exports."""

    distill: tuple[float, ...] = Field((), description="Widths of the student.")
    structured: tuple[float, ...] = Field((0.25, 0.5), description="Shares of the channels that go.")
    low_rank: tuple[float, ...] = Field((), description="Energies that are kept.")
    prune: tuple[float, ...] = Field((0.5, 0.7, 0.8, 0.9), description="Sparsities.")
    by_sensitivity: bool = Field(
        True, description="Also shares a sparsity out among the layers by what it does to each, measured beforehand."
    )
    cluster: tuple[int, ...] = Field((8, 16, 32), description="Numbers of values.")
    export: tuple[Export, ...] = Field(
        ("dynamic_range", "int8", "int4", "aware"),
        min_length=1,
        description="aware: qat, pqat, cqat or pcqat, whichever suits.",
    )
    epochs: int = Field(8, ge=1, description="Of each step that fine-tunes; distill takes four times as many.")
    learning_rate: float = Field(1e-3, gt=0, description="Of each step; distill takes three times as much.")
    teacher: float = Field(
        0.7, ge=0, le=1, description="Of the trained model's answers in the loss of each step that fine-tunes."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, setting in STEPS.items():
            for value in getattr(self, name):
                try:
                    method.parse_step({"method": name, setting: value}, 1)
                except ValueError as error:
                    raise ValueError(f"{name}: {str(error).removeprefix('step 1: ')}") from error
        return self

    def options(self) -> dict[str, list[Any]]:
        """Of each parameter its values; 0 leaves a step out."""
        found: dict[str, list[Any]] = {name: [0, *getattr(self, name)] for name in STEPS if getattr(self, name)}
        if self.prune and self.by_sensitivity:
            found["shares"] = ["equal", "by_sensitivity"]
        return {**found, "export": list(self.export)}

    def chain(self, chosen: dict[str, Any], shares: dict[float, dict[str, float]]) -> list[dict[str, Any]]:
        """The chain of a point, parsed.

        Args:
          chosen: parameter -> value.
          shares: overall sparsity -> layer -> sparsity.
        """
        steps: list[dict[str, Any]] = []
        for name, setting in STEPS.items():
            value = chosen.get(name, 0)
            if not value:
                continue
            longer = 4 if name == "distill" else 1
            step = {"method": name, setting: value, "epochs": self.epochs * longer}
            step["learning_rate"] = self.learning_rate * (3 if name == "distill" else 1)
            step["weight" if name == "distill" else "teacher"] = self.teacher
            if name == "prune":
                step["initial"] = min(0.3, value)
                if chosen.get("shares") == "by_sensitivity" and shares.get(value):
                    step |= {"layers": shares[value], "initial": min(0.3, *shares[value].values())}
            steps.append(step)
        export = chosen["export"]
        if export == "aware":
            before = tuple(name for name in ("prune", "cluster") if chosen.get(name))
            tuned = {"epochs": self.epochs, "learning_rate": self.learning_rate / 3, "teacher": self.teacher}
            steps.append({"method": AWARE[before], **tuned})
        else:
            steps.append({"method": export})
        return method.parse_chain(steps)

    def starts(self, exports: list[str]) -> Iterator[dict[str, Any]]:
        """Where to begin: what is usually good, and each export alone in the order in which it is given."""
        options = self.options()
        middle = {name: values[(len(values) + 1) // 2] for name, values in options.items() if name in STEPS}
        only: dict[str, Any] = {name: 0 for name in STEPS if name in options}
        if "shares" in options:
            only["shares"] = "equal"
        last = "aware" if "aware" in self.export else exports[0]
        for names in (("prune", "cluster"), ("prune",), ("structured", "prune", "cluster"), ("structured",)):
            if set(names) <= set(middle):
                yield {**only, **{name: middle[name] for name in names}, "export": last}
        for export in exports:
            yield {**only, "export": export}


class SearchConfig(Strict):
    """Chains are proposed by Optuna and tried until one of the limits is reached; a killed search goes on."""

    objectives: tuple[Objective, ...] = Field(
        ("gzip_bytes", "metric"), min_length=1, description="What is small (and the metric: large) is good."
    )
    max_trials: int = Field(30, ge=1, description="Chains that are tried, besides those of `chains`.")
    max_minutes: float = Field(60, gt=0, description="No chain is begun after so long.")
    at_once: int = Field(
        1, ge=1, description="Chains that are proposed before the first of them is tried; as many as workers, say."
    )
    hopeless: float = Field(
        4, gt=1, description="A trial ends early if fine-tuning leaves the metric this many times max_drop below."
    )
    space: SpaceConfig = SpaceConfig()
