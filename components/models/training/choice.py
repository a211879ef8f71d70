"""Parse which plug-in a field of the `train` section names, and with which settings: its loop, its strategy."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from modelmill.data.core import plugin_base, plugins
from modelmill.data.core.config import Strict
from modelmill.data.core.plugin_base import Plugin


class NamedConfig(Strict):
    """Base of the Configs of such plug-ins: the name, beside the settings that a plug-in adds."""

    name: str = Field(description="The name of the plug-in's file.")


def parse(kind: type[Plugin[Any]], value: Any, default: str) -> Any:
    """Return the Config of the plug-in that `value` names.

    Args:
      kind: the base class of the plug-ins.
      value: name, {name: settings} or {"name": name, **settings}; or a Config.
      default: the name, if `value` holds settings alone.

    Raises:
      ValueError: no such plug-in, or a setting that it does not have; or its file is broken.
      ValidationError: a setting of it has a wrong value.
    """
    name, settings = _split(kind, value, default)
    config = plugin_base.get(kind, name).Config
    # Runs before a plug-in had settings of its own wrote down all settings of the kind, null where there was none.
    given = {key: one for key, one in settings.items() if one is not None or key in config.model_fields}
    try:
        return config.model_validate({**given, "name": name})
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "extra_forbidden":
                raise ValueError(_unknown_setting(kind, name, [str(part) for part in problem["loc"]])) from error
        raise


def _split(kind: type[Plugin[Any]], value: Any, default: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings, in whichever form they are given."""
    if isinstance(value, NamedConfig):
        value = value.model_dump()
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and "name" not in value and len(value) == 1:
        ((name, settings),) = value.items()
        if isinstance(settings, dict) or (settings is None and name in plugins.names(kind.PACKAGE)):
            return str(name), settings or {}
    if not isinstance(value, dict) or not isinstance(value.get("name", default), str):
        raise ValueError(f"a {kind.KIND} is a name or {{name: settings}}, found {value!r}")
    return value.get("name", default), {key: one for key, one in value.items() if key != "name"}


def _unknown_setting(kind: type[Plugin[Any]], name: str, loc: list[str]) -> str:
    """Return one line on a setting that the plug-in does not have: what it has, and which others have that one."""
    if len(loc) > 1:
        return f"{name}: unknown key '{'.'.join(loc)}'"
    allowed = set(plugin_base.get(kind, name).Config.model_fields) - {"name"}
    says = plugins.unknown(f"setting of {name}", loc[0], allowed)
    others = [one for one in plugins.names(kind.PACKAGE) if loc[0] in plugin_base.get(kind, one).Config.model_fields]
    return f"{says}; use name: {' or '.join(others)}, which has it" if others else says
