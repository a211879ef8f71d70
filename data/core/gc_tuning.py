"""Python's garbage collector, kept off what loading TensorFlow and TFX leaves: a million objects that stay.

It would walk all of them now and then, which is a tenth of what a run on small data takes.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# Of new objects, of passes over these, and of passes over those, until the next one. Python's own 700 are meant for
# smaller programs: Beam makes and drops so many for each bundle.
THRESHOLDS = 10_000, 10, 10


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Within, where much is loaded, nothing is collected; what is there at the end is not looked at again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        if enabled:
            gc.enable()
