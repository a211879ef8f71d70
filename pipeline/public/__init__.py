"""modelmill from Python, for notebooks and tests: `from modelmill import load_experiment, build_pipeline, run`.

What it offers is imported when it is asked for: `import modelmill` loads neither TensorFlow nor anything else. TFX
imports the artifact types by the names that stand in its metadata, `modelmill.CompressedModel` and so on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelmill.components.artifacts import (
        CompressedModel,
        CompressionReport,
        DataVerdict,
        Predictions,
        ServingBundle,
    )
    from modelmill.pipeline.api import Run, RunError, build_pipeline, load_experiment, run

__all__ = [
    "CompressedModel",
    "CompressionReport",
    "DataVerdict",
    "Predictions",
    "Run",
    "RunError",
    "ServingBundle",
    "build_pipeline",
    "load_experiment",
    "run",
]
_API = ("Run", "RunError", "build_pipeline", "load_experiment", "run")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'modelmill' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module("modelmill.pipeline.api" if name in _API else "modelmill.components.artifacts"), name)
