"""What is wrong with an experiment, a line for each problem: what was found, what is allowed, the near match."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from modelmill.data.config import UNKNOWN_KEY
from modelmill.data.core import plugins

MAPPING = "it should be a mapping of keys to values"


class ExperimentError(ValueError):
    """An experiment that can't be run; `problems` holds one line each."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


def explain(found: Any, model: type[BaseModel], section: str = "") -> str:
    """One line for one of pydantic's errors: the field, what was found, what is allowed, the near match."""
    loc = [str(part) for part in found["loc"]]
    where = ".".join([section, *loc] if section else loc) or "experiment"
    if found["type"] == "extra_forbidden":
        return f"{where}: {plugins.unknown('key', loc[-1], _fields(_owner(model, loc)))}"
    if found["type"] == "missing":
        return f"{where}: missing; {found['msg'].lower()}"
    if found["type"] == UNKNOWN_KEY:
        return f"{where}: {found['msg']}"
    message = found["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    message = message.replace("Tuple should", "it should").replace("a valid tuple", "a list")
    if found["type"] in ("model_type", "model_attributes_type"):
        message = MAPPING
    # The message of an unknown name says itself what was found.
    named = isinstance(found["input"], dict) or message.startswith("unknown ")
    value = "" if named else f"found {found['input']!r}; "
    return f"{where}: {value}{message}"


def _owner(model: type[BaseModel], loc: list[str]) -> type[BaseModel]:
    """The model to which the last key of `loc` was given."""
    current: Any = model
    for part in loc[:-1]:
        if get_origin(current) in (dict, tuple):
            current = get_args(current)[1 if get_origin(current) is dict else 0]
        else:
            current = _fields(current)[part].annotation
        if get_origin(current) in (Union, UnionType):  # a section that may be absent is a union with None
            current = next(one for one in get_args(current) if one is not type(None))
    return cast(type[BaseModel], current)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields under the names that they have in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
