"""The `data` and `split` sections of an experiment, and the base of every other section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from modelmill.data import task
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict
from modelmill.data.spec import DEFAULT

# The type of an error whose message says everything; see pipeline/experiment/errors.py.
UNKNOWN_KEY = "unknown_key"


class DataConfig(Strict):
    """What the examples are and where they lie; a modality adds its own fields."""

    # `task` is the name alone in Python, where most ask for that.
    model_config = ConfigDict(serialize_by_alias=True)

    modality: str = Field(description="What an example is: the name of a file in data/modalities.")
    chosen_task: str | dict[str, dict[str, Any]] = Field(
        DEFAULT,
        alias="task",
        description="What is asked of it: the name of a file in data/tasks, or the name with its settings, "
        "{name: {setting: value}}.",
    )
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

    @property
    def task(self) -> str:
        """The name of the task."""
        return task.name_of(self.chosen_task)

    @property
    def task_settings(self) -> Any:
        """The task's own Config."""
        settings = self.chosen_task[self.task] if isinstance(self.chosen_task, Mapping) else {}
        return task.look_up(self.task).Config.model_validate(settings)

    @field_validator("chosen_task", mode="before")
    @classmethod
    def _with_settings(cls, choice: Any) -> Any:
        """A name, or {name: settings}, to one form: with all settings, and the name alone if it has none."""
        if not isinstance(choice, str) and not (isinstance(choice, Mapping) and len(choice) == 1):
            raise ValueError("a task is a name or {name: {setting: value}}")
        name = task.name_of(choice)
        if name not in plugins.names(task.PACKAGE):
            raise ValueError(plugins.unknown("task", name, plugins.names(task.PACKAGE)))
        given = choice[name] if isinstance(choice, Mapping) else None
        settings = _validated(name, {} if given is None else given)
        return {name: settings} if settings else name

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.sample is None):
            raise ValueError("give either 'path' (a folder) or 'sample' (a data set that comes with modelmill)")
        return self


def _validated(name: str, given: Any) -> dict[str, Any]:
    """Return all settings of a task. Raises ValidationError, whose places begin with the task's name."""
    config = task.look_up(name).Config
    try:
        validated: dict[str, Strict] = TypeAdapter(dict[str, config]).validate_python({name: given})  # type: ignore[valid-type]
    except ValidationError as error:
        lines = []
        for found in error.errors(include_url=False):
            line = InitErrorDetails(
                type=found["type"], loc=found["loc"], input=found["input"], ctx=found.get("ctx", {})
            )
            if found["type"] == "extra_forbidden" and len(found["loc"]) == 2:
                says = plugins.unknown("key", found["loc"][-1], config.model_fields)
                line["type"] = PydanticCustomError(UNKNOWN_KEY, "{says}", {"says": says})
            lines.append(line)
        raise ValidationError.from_exception_data(name, lines) from None
    return validated[name].model_dump(mode="json")
