"""The base class of plug-ins, and what each of them is held to before it is used.

A plug-in's file defines one class, a subclass of its kind's base class (Family, Modality, Task, ...); `get` finds it,
holds it to what that base class declares, and gives its one instance, which has no state.
"""

from __future__ import annotations

import difflib
import inspect
from abc import ABC
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from modelmill.data.core.config import Strict
from modelmill.data.core.plugins import PlugInError, load

# From this likeness on, a public name that a base class does not know is taken for a slip of one that it does.
SLIP = 0.8

ConfigT = TypeVar("ConfigT", bound=Strict)
PluginT = TypeVar("PluginT", bound="Plugin[Any]")


class Plugin(ABC, Generic[ConfigT]):
    """Base of every kind's base class. A plug-in has no state: one instance serves the whole process.

    Attributes:
      KIND: what messages call such a plug-in.
      PACKAGE: the dotted package whose modules, or folders, are the plug-ins.
      REQUIRED: class attributes without a default, which each plug-in sets.
      BASE_CONFIG: what each plug-in's Config must be a subclass of.
      Config: its typed settings in an experiment, readable without TensorFlow; by default it has none.
      name: the name of its file or folder.
    """

    KIND: ClassVar[str]
    PACKAGE: ClassVar[str]
    REQUIRED: ClassVar[tuple[str, ...]] = ()
    BASE_CONFIG: ClassVar[type[Strict]] = Strict
    Config: type[ConfigT] = Strict  # type: ignore[assignment]
    name: str = ""

    @classmethod
    def problems(cls) -> list[str]:
        """Return what else is wrong with a plug-in's class, for a kind that asks for more than its members."""
        return []


def get(kind: type[PluginT], name: str) -> PluginT:
    """Return the plug-in `name` of a kind, such as `get(Family, "cnn")`.

    Raises:
      UnknownNameError: there is no such plug-in.
      PlugInError: its file can't be imported, or its class is not what the kind's base class declares.
    """
    module = load(kind.PACKAGE, name, kind.KIND)
    found = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
        and not key.startswith("_")
    ]
    if len(found) != 1:
        classes = ", ".join(one.__name__ for one in found) or "none"
        raise PlugInError(
            f"{kind.KIND} {name}: {module.__file__} must define one subclass of {kind.__module__}.{kind.__name__}, "
            f"found {classes}; see docs/extending.md"
        )
    return _instance(found[0], kind, name)


@cache
def _instance(plugin: type[PluginT], kind: type[PluginT], name: str) -> PluginT:
    """Make the one instance of a plug-in's class, once it keeps what its base class declares."""
    problems = [f"{member} is missing" for member in sorted(plugin.__abstractmethods__)]
    problems += [f"{member} is missing" for member in kind.REQUIRED if getattr(plugin, member, None) is None]
    declared = {member for member in dir(kind) if not member.startswith("_")} | set(kind.REQUIRED)
    for member, value in vars(plugin).items():
        if member.startswith("_"):
            continue
        if member not in declared:
            near = difflib.get_close_matches(member, declared, n=1, cutoff=SLIP)
            problems += [f"{member} is not asked for; did you mean '{near[0]}'?"] if near else []
            continue
        expected = getattr(kind, member, None)
        if inspect.isfunction(expected) and (wrong := _signature_problem(member, value, expected)):
            problems.append(wrong)
    if plugin.Config is not None and not (
        isinstance(plugin.Config, type) and issubclass(plugin.Config, kind.BASE_CONFIG)
    ):
        found = getattr(plugin.Config, "__name__", repr(plugin.Config))
        problems.append(f"Config must be a subclass of {kind.BASE_CONFIG.__name__}, found {found}")
    problems += plugin.problems()
    if problems:
        where = inspect.getsourcefile(plugin) or plugin.__module__
        raise PlugInError(
            f"{kind.KIND} {name}: {where}: {plugin.__name__}: {'; '.join(problems)}; see docs/extending.md"
        )
    made = plugin()
    made.name = name
    return made


def _signature_problem(member: str, value: object, expected: Any) -> str | None:
    """Return why a method can't be called as its base class declares; None if it can."""
    if not inspect.isfunction(value):
        return f"{member} must be a method, found {type(value).__name__}"
    declared, found = inspect.signature(expected), inspect.signature(value)
    placed = [one.name for one in declared.parameters.values() if one.kind is not one.KEYWORD_ONLY]
    named = {one.name: None for one in declared.parameters.values() if one.kind is one.KEYWORD_ONLY}
    names = [one.name for one in found.parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    says = f"{member}({', '.join(found.parameters)}) must take ({', '.join(declared.parameters)})"
    try:
        found.bind(*placed, **named)
    except TypeError:
        return says
    collects = any(one.kind is one.VAR_POSITIONAL for one in found.parameters.values())
    return None if collects or names[: len(placed)] == placed else f"{says}, by these names"
