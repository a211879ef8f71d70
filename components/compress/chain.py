"""Parse a chain of compression methods, check its order and name it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from modelmill.components.compress.method import PACKAGE, look_up
from modelmill.data.core import plugins


def modules(step: dict[str, Any]) -> list[str]:
    """Return the modules of the plug-ins that a step runs: its method's, and those that this one runs."""
    found = look_up(step["method"])
    return [f"{PACKAGE}.{step['method']}", *found.plug_ins(found.Config.model_validate(step))]


def parse_chain(chain: Any) -> list[dict[str, Any]]:
    """A chain as written, [name or {name: settings}, ...], to [{"method": name, **all settings}, ...].

    Raises:
      ValueError: a method or setting that does not exist, or an order that makes no sense; names the step.
    """
    if not isinstance(chain, (list, tuple)) or not chain:
        raise ValueError(f"a chain is a list of methods, such as [prune, int8]; found {chain!r}")
    steps = [parse_step(step, place) for place, step in enumerate(chain, start=1)]
    for place in range(1, len(steps) + 1):
        _check_order([step["method"] for step in steps[:place]])
    return steps


def _check_order(names: list[str]) -> None:
    """Whether the last of the names may stand behind the others."""
    *earlier, name = names
    found, place = look_up(name), f"step {len(names)}: {name}"
    previous = earlier[-1] if earlier else None
    for before in earlier:
        if before in found.UNDOES:
            raise ValueError(f"{place} would undo {before}; use {found.UNDOES[before]}")
    if found.FOLLOWS and previous not in found.FOLLOWS:
        wanted = " or ".join(found.FOLLOWS)
        raise ValueError(f"{place} must directly follow {wanted}, found {previous or 'nothing'} before it")
    for needed in found.NEEDS:
        if needed not in earlier:
            raise ValueError(f"{place} needs {needed} before it, found only {', '.join(earlier)}")
    if previous and look_up(previous).EXPORTS:
        raise ValueError(f"{place} comes after {previous}, which gives the flatbuffer and must be the last")
    if name in earlier:
        raise ValueError(f"{place} stands twice in one chain")


def parse_step(step: Any, place: int) -> dict[str, Any]:
    """One step of a chain, with its defaults filled in."""
    if isinstance(step, str):
        step = {"method": step}
    elif isinstance(step, dict) and len(step) == 1 and "method" not in step:
        ((name, settings),) = step.items()
        if settings is not None and not isinstance(settings, dict):
            raise ValueError(f"step {place}: the settings of {name} are key: value pairs, found {settings!r}")
        step = {"method": name, **(settings or {})}
    if not isinstance(step, dict) or not isinstance(step.get("method"), str):
        raise ValueError(f"step {place}: a method is a name or {{name: settings}}, found {step!r}")
    name = step["method"]
    try:
        return look_up(name).Config.model_validate(step).model_dump(mode="json")
    except plugins.UnknownNameError as error:
        raise ValueError(f"step {place}: {error}") from error
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join(str(part) for part in found["loc"])
        if found["type"] == "extra_forbidden":
            allowed = set(look_up(name).Config.model_fields) - {"method"}
            raise ValueError(f"step {place}: {plugins.unknown(f'setting of {name}', key, allowed)}") from error
        raise ValueError(f"step {place}: {name}.{key}: found {found['input']!r}; {found['msg']}") from error


def label(chain: Any) -> str:
    """A chain's short name, such as 'prune + int8'; the empty chain is 'float32'."""
    return " + ".join(step["method"] for step in chain) or "float32"
