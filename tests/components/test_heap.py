"""What was loaded is kept from the garbage collector, and what comes after it is not."""

from __future__ import annotations

import gc
import weakref

from modelmill.data.core import gc_tuning


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_made_within_stays_and_what_is_made_after_goes() -> None:
    thresholds = gc.get_threshold()
    try:
        with gc_tuning.settled():
            assert not gc.isenabled()
            loaded = weakref.ref(Cycle())
        assert gc.isenabled()
        made = weakref.ref(Cycle())
        gc.collect()
        assert loaded() is not None and made() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
