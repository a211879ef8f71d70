"""modelmill from Python, for notebooks and tests: `from pipeline import load_experiment, build_pipeline, run`.

The one `__init__.py` that is not empty. What it offers is imported when it is asked for: `import pipeline` loads
neither TensorFlow nor anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Run, RunError, build_pipeline, load_experiment, run

__all__ = ["Run", "RunError", "build_pipeline", "load_experiment", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}; it offers {', '.join(__all__)}")
    from pipeline import api

    return getattr(api, name)
