"""Accept keys of an experiment under the names that they had in the last release."""

from __future__ import annotations

from typing import Any

from modelmill.data import task
from modelmill.data.core import plugins


def accept(tree: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the experiment with every key under its name of today, and a sentence for each that was renamed.

    A key that is given under both names stays: it is refused as unknown.

    Raises:
      PlugInError: the task is the user's own, and can't be used.
    """
    data = tree.get("data")
    name = task.name_of(data.get("task")) if isinstance(data, dict) else None
    if not isinstance(data, dict) or name not in plugins.names(task.PACKAGE):
        return tree, []
    choice = data.get("task")
    settings = (choice[name] or {}) if isinstance(choice, dict) else {}
    told = []
    for old, new in task.look_up(name).MOVED.items():
        if old in data and isinstance(settings, dict) and new not in settings:
            settings = {**settings, new: data[old]}
            data = {key: value for key, value in data.items() if key != old} | {"task": {name: settings}}
            told.append(
                f"data.{old} is now data.task.{name}.{new}: write task: {{{name}: {{{new}: ...}}}}; "
                "the next release refuses the old key"
            )
    return {**tree, "data": data}, told
