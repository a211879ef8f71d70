"""The section `compress.search`: what is looked for, in which space of chains, and for how long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from modelmill.components.compress import method
from modelmill.components.compress.chain import parse_chain, parse_step
from modelmill.components.compress.presets import PRESETS
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict

Objective = Literal["gzip_bytes", "bytes", "latency_ms", "macs", "arena_bytes", "metric"]
# Instead of an export's name: training with it simulated, by the method that preserves the steps before it.
AWARE = "aware"
Point = dict[str, Any]


class Step(NamedTuple):
    """One of a chain: the setting that the space varies, and how many times its epochs and its learning rate it has.

    `less`: whether less of the setting leaves less of the model; `teacher`: which setting the teacher's weight is.
    """

    setting: str
    epochs: int
    rate: float
    less: bool = False
    teacher: str | None = "teacher"


# The steps of a chain in their order; with the space's defaults they are those of the presets.
STEPS = {
    "distill": Step("width", 8, 3.0, less=True, teacher="weight"),
    "structured": Step("amount", 2, 2.0, teacher=None),
    "low_rank": Step("energy", 2, 1.0, less=True, teacher=None),
    "prune": Step("sparsity", 2, 2.0),
    "cluster": Step("clusters", 1, 0.3, less=True),
}
LAST = Step("", 1, 0.3)
# Whose chains are tried first, by what should be small.
LIKE: dict[Objective, str] = {"gzip_bytes": "smallest", "bytes": "smallest"}
OTHERWISE = "server-cpu"


def export_names() -> list[str]:
    """Return what a chain of a search can end with: the methods that only export, and AWARE."""
    found = {name: method.look_up(name) for name in plugins.names(method.PACKAGE)}
    return [*(name for name, one in found.items() if one.EXPORTS and not one.tunes()), AWARE]


def _listed(schema: dict[str, Any]) -> None:
    """Have the JSON Schema list the exports."""
    schema["items"]["enum"] = export_names()


def _aware(before: Sequence[str]) -> str:
    """Return the quantization-aware method that preserves most of the steps before it.

    Raises:
      PlugInError: there is none, or several preserve as many.
    """
    known = {name: method.look_up(name).PRESERVES for name in plugins.names(method.PACKAGE)}
    counts = {
        name: len(preserved)
        for name, preserved in known.items()
        if preserved is not None and set(preserved) <= set(before)
    }
    most = [name for name, count in counts.items() if count == max(counts.values())]
    if len(most) != 1:
        raise plugins.PlugInError(
            f"compress.search.space.export: {AWARE} after {', '.join(before) or 'nothing'} must be one method, by its "
            f"PRESERVES; found {', '.join(most) or 'none'}; leave {AWARE} out, or give one of them another PRESERVES"
        )
    return most[0]


class SpaceConfig(Strict):
    """What a chain can consist of: of each step one of the values or none, in this order, then one of the exports."""

    distill: tuple[float, ...] = Field((0.5, 0.25), description="Widths of the student.")
    structured: tuple[float, ...] = Field((0.25, 0.5), description="Shares of the channels that go.")
    low_rank: tuple[float, ...] = Field((), description="Energies that are kept.")
    prune: tuple[float, ...] = Field((0.5, 0.7, 0.8, 0.9, 0.95), description="Sparsities.")
    by_sensitivity: bool = Field(
        True, description="Also shares a sparsity out among the layers by what it does to each, measured beforehand."
    )
    cluster: tuple[int, ...] = Field((32, 16, 8, 4), description="Numbers of values.")
    export: tuple[str, ...] = Field(
        ("dynamic_range", "int8", "int4", AWARE),
        min_length=1,
        json_schema_extra=_listed,
        description="aware: qat, pqat, cqat or pcqat, whichever suits.",
    )
    epochs: int = Field(
        6,
        ge=1,
        description="Of cluster and aware; prune, structured and low_rank take twice as many, distill eight times.",
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        description="Of low_rank; distill takes three times as much, prune and structured twice, the others 0.3 times.",
    )
    teacher: float = Field(
        0.7, ge=0, le=1, description="Of the trained model's answers in the loss of distill, prune, cluster and aware."
    )

    @field_validator("export")
    @classmethod
    def _exports(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if name not in export_names():
                raise ValueError(plugins.unknown("export", name, export_names()))
        return given

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, step in STEPS.items():
            for value in getattr(self, name):
                try:
                    parse_step({"method": name, step.setting: value}, 1)
                except ValueError as error:
                    raise ValueError(f"{name}: {str(error).removeprefix('step 1: ')}") from error
        return self

    def options(self) -> dict[str, list[Any]]:
        """Of each parameter its values; 0 leaves a step out."""
        found: dict[str, list[Any]] = {name: [0, *getattr(self, name)] for name in STEPS if getattr(self, name)}
        if self.prune and self.by_sensitivity:
            found["shares"] = ["equal", "by_sensitivity"]
        return {**found, "export": list(self.export)}

    def chain(self, chosen: Point, shares: dict[float, dict[str, float]]) -> list[dict[str, Any]]:
        """The chain of a point, parsed.

        Args:
          chosen: parameter -> value.
          shares: overall sparsity -> layer -> sparsity.
        """
        steps: list[dict[str, Any]] = []
        for name, step in STEPS.items():
            value = chosen.get(name, 0)
            if not value:
                continue
            made = {"method": name, step.setting: value, **self._tuned(step)}
            if name == "structured":
                made["multiple"] = 4
            if name == "prune":
                made["initial"] = min(0.3, value)
                if chosen.get("shares") == "by_sensitivity" and shares.get(value):
                    made |= {"layers": shares[value], "initial": min(0.3, *shares[value].values())}
            steps.append(made)
        if chosen["export"] == AWARE:
            steps.append({"method": _aware([step["method"] for step in steps]), **self._tuned(LAST)})
        else:
            steps.append({"method": chosen["export"]})
        return parse_chain(steps)

    def starts(self, exports: Sequence[str], objective: Objective = "gzip_bytes") -> Iterator[Point]:
        """Where to begin: exports alone, which cost next to nothing, then what is nearest to the chains of a preset.

        Args: exports: in the order in which they are tried; objective: what most of all should be small.
        """
        for export in exports:
            if export != AWARE:
                yield {**self._nothing(), "export": export}
        for chain in PRESETS[LIKE.get(objective, OTHERWISE)]["chains"]:
            yield self.nearest(parse_chain(chain), exports[0])

    def nearest(self, chain: list[dict[str, Any]], export: str) -> Point:
        """The point that is most like a chain; with that `export` where the space has not the chain's own."""
        point = {**self._nothing(), "export": export}
        for step in chain:
            is_aware = method.look_up(step["method"]).PRESERVES is not None
            name = AWARE if is_aware else step["method"]
            if name in point:
                wanted, values = step[STEPS[name].setting], getattr(self, name)
                point[name] = min(values, key=lambda value: (abs(value - wanted), value))
            elif name in self.export:
                point["export"] = name
        return point

    def beside(self, point: Point, tighter: bool) -> Iterator[tuple[str, Point]]:
        """The points that differ from one in a single parameter, and in which; late steps first: they cost least.

        Args: tighter: whether a step leaves less of the model there, or more.
        """
        options = self.options()
        for export in options["export"]:
            if export != point["export"]:
                yield "export", {**point, "export": export}
        for name in reversed([name for name in STEPS if name in options]):
            values = [0, *sorted(getattr(self, name), reverse=STEPS[name].less)]
            place = values.index(point[name]) + (1 if tighter else -1)
            if 0 <= place < len(values):
                yield name, {**point, name: values[place]}
        if "shares" in options and point["prune"]:
            yield "shares", {**point, "shares": next(one for one in options["shares"] if one != point["shares"])}

    def epochs_at_most(self, trials: int) -> int:
        """Of fine-tuning, by so many trials; what several of them begin with is made once."""
        found, ways = 0, 1
        for name, step in STEPS.items():
            choices = len(getattr(self, name)) * (2 if name == "prune" and self.by_sensitivity else 1)
            found += min(trials, ways * choices) * step.epochs * self.epochs
            ways *= choices + 1
        return found + (trials * LAST.epochs * self.epochs if AWARE in self.export else 0)

    def _nothing(self) -> Point:
        """The point of no step, but for the export."""
        return {name: 0 if name in STEPS else values[0] for name, values in self.options().items() if name != "export"}

    def _tuned(self, step: Step) -> dict[str, Any]:
        """How a step is fine-tuned."""
        rate = round(self.learning_rate * step.rate, 12)
        taught = {step.teacher: self.teacher} if step.teacher else {}
        return {"epochs": self.epochs * step.epochs, "learning_rate": rate, **taught}


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
