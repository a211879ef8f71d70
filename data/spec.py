"""What a model must know of its examples, and the names of the fields that every raw example has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SerializeAsAny, model_validator

from modelmill.data.core.config import Strict

# The task of an experiment that names none.
DEFAULT = "classification"
# The name, in a raw example, of the digest of its content: splits are made by it, and predictions joined by it.
CONTENT = "sha256"
LABEL = "label"
PATH = "path"
# Of what `stream` gives, no feature: what decides on the split.
DECIDES = "decides on the split"

Features = Mapping[str, bytes | str | int | float]


class BadExampleError(ValueError):
    """A file that holds no example of the modality; the message names the file and the reason."""


class Column(Strict):
    """One number of a table's row."""

    column: str
    kind: str = Field(description="number, days, category, missing, or a wave of the date such as 'year sin'.")
    mean: float = Field(0, description="Of numbers and days, over the train split: they are normalised already.")
    stddev: float = Field(1, gt=0)
    categories: tuple[str, ...] = Field((), description="By their place from 0; unknown ones have the next place.")


class TensorSpec(Strict):
    """One tensor of an example, without the batch axis.

    An axis of variable length is padded in a batch, and `NAME_length`, int32 [batch], goes with it.
    """

    name: str
    shape: tuple[int | None, ...] = Field(description="Such as (height, width, channels); null: a variable axis.")
    dtype: str
    mean: tuple[float, ...] = Field((), description="Per channel, over the train split; none: not normalised.")
    stddev: tuple[float, ...] = Field((), description="Per channel, over the train split; never zero.")
    role: Literal["plain", "mask", "boxes", "points", "tokens", "time"] = Field(
        "plain",
        description="By it augmentation treats a tensor. tokens: ids, 0 where padded; time: the first axis is time; "
        "boxes: float32 [n, 4], ymin xmin ymax xmax in [0, 1]; points: float32 [n, 2], y x in [0, 1]; mask: a value a "
        "pixel, [height, width] or [height, width, 1].",
    )

    @property
    def model_dtype(self) -> str:
        """The dtype that the bare model takes: float32 once normalised, else that of the examples."""
        return "float32" if self.mean else self.dtype

    @property
    def fixed_shape(self) -> tuple[int, ...]:
        """The shape, where no axis may be variable. Raises ValueError if one is."""
        fixed = tuple(size for size in self.shape if size is not None)
        if len(fixed) != len(self.shape):
            raise ValueError(
                f"{self.name}: found the shape {self.shape}; an axis of variable length can't be used here"
            )
        return fixed


class ModalityFacts(Strict):
    """Base of a modality's `Facts`: what it alone has to know of its examples."""


class TaskFacts(Strict):
    """Base of a task's `Facts`: what it alone has to know of its labels. Every field needs a default."""

    labels: tuple[str, ...] = Field((), description="What the parts of an answer are of, in their order: the classes.")


FactsT = TypeVar("FactsT", bound=Strict)


def narrow(facts: Strict, wanted: type[FactsT]) -> FactsT:
    """Return `facts` as an instance of the class whose fields the caller reads. Raises ValueError if it is another."""
    if not isinstance(facts, wanted):
        raise ValueError(f"found the facts {type(facts).__name__}, but {wanted.__name__} is needed")
    return facts


class Spec(Strict):
    """What a model needs to know of its examples: written beside the model, read by all who rebuild it.

    data/modality.py makes it (`describe`) and reads it from JSON (`read_spec`): the classes of the facts are found by
    the names of the modality and of the task.
    """

    modality: str
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, description="What the model takes, once preprocessed.")
    modality_facts: SerializeAsAny[ModalityFacts]
    task: str = Field(description="What is asked of an example: the name of a plug-in in data/tasks.")
    targets: tuple[TensorSpec, ...] = Field(description="The labels, as the task reads them.")
    outputs: tuple[TensorSpec, ...] = Field(min_length=1, description="What the bare model gives.")
    task_facts: SerializeAsAny[TaskFacts]

    @model_validator(mode="after")
    def _has_unique_names(self) -> Self:
        names = [tensor.name for tensor in (*self.inputs, *self.targets)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"several inputs or targets are called {', '.join(twice)}; a batch holds each tensor by its name"
            )
        return self

    @property
    def input(self) -> TensorSpec:
        """The only input. Raises ValueError if there are several."""
        return _only(self.inputs, "inputs")

    @property
    def target(self) -> TensorSpec:
        """The only target. Raises ValueError if there are several."""
        return _only(self.targets, "targets")

    @property
    def output_size(self) -> int:
        """How many numbers the only output has. Raises ValueError if there are several outputs."""
        return math.prod(_only(self.outputs, "outputs").fixed_shape)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the parts of an answer are of, in their order."""
        return self.task_facts.labels

    def with_input(self, **fields: Any) -> Self:
        """Return a copy whose only input has other values in these fields of TensorSpec."""
        return self.model_copy(update={"inputs": (self.input.model_copy(update=fields),)})


def _only(tensors: tuple[TensorSpec, ...], what: str) -> TensorSpec:
    if len(tensors) != 1:
        names = ", ".join(tensor.name for tensor in tensors)
        raise ValueError(f"found {len(tensors)} {what} ({names}), but this works on one alone; read spec.{what}")
    return tensors[0]
