"""What a model must know of its examples, and the names of the fields that every raw example has."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

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


class Spec(Strict):
    """What a model needs to know of its examples: written beside the model, read by all who rebuild it."""

    modality: str
    shape: tuple[int, ...] = Field(description="Of one preprocessed example, such as (height, width, channels).")
    dtype: str = Field(description="Of a preprocessed example, and of the flatbuffer's input.")
    task: str = Field(DEFAULT, description="What is asked of an example: the name of a file in data/tasks.")
    labels: tuple[str, ...] = Field((), description="What the parts of an answer are of, in their order: the classes.")
    mean: tuple[float, ...] = Field((), description="Per channel, over the train split; none: not normalised.")
    stddev: tuple[float, ...] = Field((), description="Per channel, over the train split; never zero.")
    vocabulary: int = Field(0, ge=0, description="How many token ids there are; 0 if the inputs are no ids.")
    tokenizer: str = Field(
        "", description="Of texts: the JSON of the tokenizer; see data/modalities/text/tokenizer/train.py."
    )
    pairs: bool = Field(False, description="Of texts: each is two, with a tab between them.")
    columns: tuple[Column, ...] = Field((), description="Of a table: what each number of the vector is.")
    masked: bool = Field(
        False, description="The last channel of a series is 1 where there is a value, and 0 where it was padded."
    )
    sample_rate: int = Field(0, ge=0, description="Hertz, of a waveform; 0 if the inputs are none.")
    label_mean: float = Field(0, description="Of regression: of the labels of the train split.")
    label_stddev: float = Field(1, gt=0, description="Of regression: of the labels of the train split.")

    @property
    def model_dtype(self) -> str:
        """Of the bare model's input: float32 once normalised, else what the examples have."""
        return "float32" if self.mean else self.dtype
