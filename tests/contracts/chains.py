"""Every compression method with what has to stand before it: what the contract tests of methods share."""

from __future__ import annotations

from typing import Any

from modelmill.components.compress import method
from modelmill.data.core import plugins

METHODS = plugins.names(method.PACKAGE)


def chain(name: str) -> list[dict[str, Any]]:
    """The shortest chain that ends with a method."""
    found = method.look_up(name)
    before = chain(found.FOLLOWS[0]) if found.FOLLOWS else []
    before = [step for needed in found.NEEDS for step in chain(needed)] + before
    fields = found.Config.model_fields
    return [*before, {"method": name, **({"epochs": 1} if "epochs" in fields else {})}]
