"""What `modelmill new` knows of data when it has looked, and what it writes for it, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelmill.data.config import DataConfig
from modelmill.data.profiling.profile import Found
from modelmill.data.splits import SplitConfig

# What a weight takes as int8, gzipped, roughly: pruning may come out as too dear.
BYTES_A_WEIGHT = 1.05
BY_CONTENT = SplitConfig()


class NoProjectError(ValueError):
    """A project can't be made of this; the message says why and what to do."""


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
      kind: the modality.
      data: a folder of examples, or one file of many.
      label: the column of what is to be told; guessed if absent.
      task: guessed if absent.
      family: of the model; one that suits the data if absent.
      max_bytes: of the gzipped flatbuffer; no limit if absent.
      max_drop: of the metric; what a few examples make out if absent.
      split: by folders, if the data has them.
    """

    kind: str
    data: Path
    label: str | None = None
    task: str | None = None
    family: str | None = None
    max_bytes: int | None = None
    max_drop: float | None = None
    split: SplitConfig = BY_CONTENT

    def fits(self, weights: float) -> bool:
        """Whether int8 weights are within the budget."""
        return self.max_bytes is None or weights * BYTES_A_WEIGHT < self.max_bytes


@dataclass(frozen=True)
class Domain:
    """What the schema says of a feature.

    Attributes:
      kind: "bytes", "int" or "float".
      optional: it may be missing.
      values: that it may have; none says nothing.
      known: the share of the values that must be among them.
    """

    kind: str
    optional: bool = False
    values: tuple[str, ...] = ()
    known: float = 1.0


@dataclass(frozen=True)
class Draft:
    """An experiment before it is written; texts are lines of YAML with comments.

    Attributes:
      config: the section `data`, good for reading.
      found: in the data.
      features: of raw examples but for the label, for the schema.
      data: the lines of the section `data` behind path and schema.
      augment, model, chains: whole sections, and the value of compress.chains.
      family: that `model` is of.
      split: the section, if it is not as usual.
      rate: of learning.
      looks: how many examples an epoch's worth of training should come to in all.
      told: what was guessed and why, for the screen.
    """

    config: DataConfig
    found: Found
    features: dict[str, Domain]
    data: str
    augment: str
    model: str
    chains: str
    family: str
    split: str = ""
    rate: float = 0.001
    looks: int = 60_000
    told: tuple[str, ...] = ()
