"""Loads TFX without what no local run uses: a quarter of the time that it takes to load."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

from modelmill.data.core import gc_tuning

# TFX's parts for Google's AI Platform and BigQuery, with their clients. TFX itself does without where it has to.
EXTENSIONS = "tfx.v1.extensions"
# Of TFX's Tuner, which we do not use: it brings Keras 3 besides Keras 2. TFX does without where it is not installed.
TUNER = "keras_tuner"


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Within, `import tfx.v1` passes over both; behind, whoever wants them can import them.

    Only the first time in a process: later there may be garbage among what would be kept for good.
    """
    hidden: dict[str, ModuleType | None] = {EXTENSIONS: ModuleType(EXTENSIONS), TUNER: None}
    hidden = {name: stand_in for name, stand_in in hidden.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        with gc_tuning.settled() if hidden else contextlib.nullcontext():
            yield
    finally:
        for name, stand_in in hidden.items():
            if sys.modules.get(name) is stand_in:
                sys.modules.pop(name, None)
