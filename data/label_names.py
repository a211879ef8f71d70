"""Names of classes: which can be one, and which look the same though they are not. Free of TensorFlow."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def checked(name: str) -> str:
    """Return a name as it is.

    Raises:
      ValueError: it holds what no vocabulary or page can: a line end, another control character, half of a surrogate.
    """
    wrong = next((one for one in name if unicodedata.category(one) in ("Cc", "Cs")), "")
    if wrong:
        what = "a line end" if wrong in "\r\n" else f"the character U+{ord(wrong):04X}"
        raise ValueError(f"the label {name!r} holds {what}; write it without")
    return name


def similar(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of different names that a person would take for one, such as Cat and "cat ", or 1 and 1.0."""
    seen: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        seen[_key(name)].append(name)
    return [(repr(first), repr(one)) for first, *others in seen.values() for one in others]


def _key(name: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return str(float(text))
    except ValueError:
        return text
