"""Hold what was read from JSON to a template, so that a broken manifest is one line and no traceback.

A template is a type (str, int, float, bool, dict), a range of whole numbers, [template] for a list, or
{name: template} for an object, which may have more fields.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any


def problem(value: Any, template: Any, name: str = "") -> str:
    """Return which field is not as the template says, what it must be and what was found; "" if all are."""
    kind = type(template) if isinstance(template, (dict, list)) else template
    if not _fits(value, kind):
        allowed = f"int from {kind[0]} to {kind[-1]}" if isinstance(kind, range) else kind.__name__
        return f"`{name}` is missing, or no {allowed}; found {reprlib.repr(value)}"
    inner: list[tuple[Any, Any, str]] = []
    if isinstance(template, dict):
        inner = [(value.get(key), wanted, f"{name}.{key}" if name else key) for key, wanted in template.items()]
    elif isinstance(template, list):
        inner = [(one, template[0], f"{name}[{place}]") for place, one in enumerate(value)]
    return next(filter(None, (problem(*one) for one in inner)), "")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, range):
        return type(value) is int and value in kind
    if kind is float:
        return type(value) in (int, float) and abs(value) < 1e38 and math.isfinite(value)  # as float32
    if kind is str and isinstance(value, str):
        # JSON can hold half of a surrogate pair, which can't be printed.
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return type(value) is kind
