"""Altair: its check of every part of a chart."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from modelmill.components.upstream import guard

ALTAIR = guard.Library("altair", ">=6.3,<7")


def unchecked() -> AbstractContextManager[None]:
    """Hold no part of a chart against Altair's JSON Schema, within: that takes as long as the page."""
    if not guard.applies(ALTAIR, "charts without Altair's own check", "the report takes twice as long to make"):
        return contextlib.nullcontext()
    from altair.utils import schemapi

    return schemapi.debug_mode(False)
