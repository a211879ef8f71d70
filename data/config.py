"""The `data` and `split` sections of an experiment, and the base of every other section."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data.core import plugins
from modelmill.data.core.config import Strict

TASKS = "modelmill.data.tasks"


class DataConfig(Strict):
    """What the examples are and where they lie; a modality adds its own fields."""

    modality: str = Field(description="What an example is: the name of a file in data/modalities.")
    task: str = Field("classification", description="What is asked of it: the name of a file in data/tasks.")
    normal: tuple[str, ...] = Field((), description="Of task: anomaly: the labels of normal examples.")
    path: str | None = Field(None, description="Folder of the data; a relative path is taken from the experiment file.")
    sample: str | None = Field(None, description="A data set that comes with modelmill, instead of `path`.")
    csv: str | None = Field(
        None,
        description="A CSV in the data folder with the columns path, label (else the file's folder is the label) and "
        "any further ones: they become features, and may be named in evaluate.slices.",
    )
    schema_file: str | None = Field(
        None, description="Curated TFDV schema (schema.pbtxt); inferred from the train split if absent."
    )
    max_bad_fraction: float = Field(
        0, ge=0, lt=1, description="Share of files that may hold no example: they are dropped, counted and listed."
    )
    conflicts: Literal["refuse", "drop", "keep"] = Field(
        "refuse",
        description="Equal examples with different labels, or in different splits: stop, or drop. Of different labels "
        "none is kept; of different splits those in test, else in eval. keep: different labels are allowed.",
    )

    def outside(self) -> dict[str, str]:
        """The fields that name files which preprocessing begins with, and what they name; see core/fetch/resolve.py.

        A changed file preprocesses anew: their content counts in the cache's key.
        """
        return {}

    def look(self) -> None:
        """Looks at these files before anything runs, without TensorFlow.

        Raises:
          ValueError, FileNotFoundError: one is not what it should be.
        """

    @field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        if task not in plugins.names(TASKS):
            raise ValueError(plugins.unknown("task", task, plugins.names(TASKS)))
        return task

    @model_validator(mode="after")
    def _says_what_is_normal(self) -> Self:
        if bool(self.normal) != (self.task == "anomaly"):
            raise ValueError(f"'normal' belongs to task: anomaly, and that needs it; found {list(self.normal)}")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.sample is None):
            raise ValueError("give either 'path' (a folder) or 'sample' (a data set that comes with modelmill)")
        return self
