"""Plug-ins are found by their file name: adding one is adding a file, never an entry in a list."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType


class UnknownNameError(ValueError):
    """A name that no plug-in, field or node has; the message lists what is allowed and the near match."""


def names(package: str) -> list[str]:
    """Names of the plug-ins in `package` (a dotted path), sorted. Imports none of them."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
        if not module.name.startswith("_")
    )


def load(package: str, name: str, kind: str) -> ModuleType:
    """Imports plug-in `name` of `package`; `kind` is what the error calls it.

    Raises:
      UnknownNameError: there is no such plug-in.
    """
    known = names(package)
    if name not in known:
        raise UnknownNameError(unknown(kind, name, known))
    return importlib.import_module(f"{package}.{name}")


def unknown(kind: str, found: object, allowed: Iterable[str]) -> str:
    """One line for an unknown name: what was found, what is allowed, the near match if there is one."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(str(found), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{found}'; allowed: {', '.join(allowed) or 'none'}{hint}"
