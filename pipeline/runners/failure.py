"""Says in one paragraph why a node failed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelmill.components.gates import GateRefusedError
from modelmill.data.readers.labels_csv import BadDataError

# Beam appends the step to every message, and its workers send a traceback as text.
_TAIL = re.compile(r"\s*\[while running '[^']*'\]")
_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_LONGEST = 1500
# Their message says it all; of others, such as KeyError, the name is half of the message.
_PLAIN = ("ValueError", "RuntimeError", "Exception")


class NodeError(RuntimeError):
    """A node failed without an exception, as when its inputs are not there."""


class NothingToReuseError(ValueError):
    """A part of the chain was asked for whose inputs no earlier run has made."""


def reason(error: BaseException) -> str:
    """The message, and behind it the first cause if that says something else; one paragraph."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by hand"
    first, *others = [_said(one) for one in _chain(error)]
    last = others[-1] if others else first
    text = first if last in first else f"{first} (caused by {last})"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def refusal(error: BaseException) -> str | None:
    """What a gate said, if that is why it ended (Beam may have sent it as text); else None."""
    for one in _chain(error):
        if isinstance(one, GateRefusedError):
            return _TAIL.sub("", str(one)).strip()
        _, found, text = str(one).rpartition(f"{GateRefusedError.__name__}:")
        if found:
            return _TAIL.sub("", text).strip()
    return None


def bad_data(error: BaseException) -> str | None:
    """What is wrong with the data, line by line, if that is why it ended (Beam may have sent it as text)."""
    for one in _chain(error):
        if isinstance(one, BadDataError):
            return _TAIL.sub("", str(one)).strip()
        _, found, text = str(one).rpartition(f"{BadDataError.__name__}:")
        if found:
            return _TAIL.sub("", text).strip()
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _said(error: BaseException) -> str:
    """Type and message of one exception, in one line."""
    kind, message = type(error).__name__, str(error)
    if _TRACEBACK in message:
        kind, message = _last_raised(message)
    message = " ".join(_TAIL.sub("", message).split())
    own = type(error).__module__.partition(".")[0] == "modelmill"
    if message and (own or kind in _PLAIN):
        return message
    return f"{kind}: {message}" if message else kind


def _last_raised(text: str) -> tuple[str, str]:
    """The last exception of a traceback that came as text."""
    lines = text.rpartition(_TRACEBACK)[2].strip("\n").splitlines()
    for place, line in enumerate(lines):
        found = None if line.startswith(" ") else _RAISED.match(line)
        if found:
            rest = [found["message"] or "", *lines[place + 1 :]]
            return found["type"].rpartition(".")[2], "\n".join(rest)
    return "RuntimeError", lines[-1] if lines else text
