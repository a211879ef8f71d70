"""How many trials are made at once.

An environment variable, because what comes out does not depend on it, so that it must not be part of a cache key.
"""

from __future__ import annotations

import os

ENV = "MODELMILL_WORKERS"


def count() -> int:
    """What the runner has said; one without a word of it."""
    return int(os.environ.get(ENV, "1"))
