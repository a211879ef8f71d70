"""Read a compiled file, and find the containers of its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from modelmill.pipeline.runners.kubeflow.errors import DeployError


def read(path: Path) -> dict[str, Any]:
    """Return the PipelineSpec in a compiled file, YAML or JSON.

    Raises:
      DeployError: the file holds none.
    """
    try:
        content = next(yaml.safe_load_all(path.read_text(encoding="utf-8")), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DeployError(f"{path}: {' '.join(str(error).split())}") from error
    spec = content.get("pipelineSpec", content) if isinstance(content, dict) else None
    if not isinstance(spec, dict) or "deploymentSpec" not in spec or "root" not in spec:
        raise DeployError(f"{path}: no compiled pipeline; `modelmill compile` makes one")
    return spec


def has_suffix(path: Path, suffix: str) -> bool:
    """Return whether a compiled file is of a platform's kind; .yml is a common spelling of .yaml."""
    return {".yml": ".yaml"}.get(path.suffix, path.suffix) == suffix


def container(spec: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the container of a task."""
    label = spec["components"][task]["executorLabel"]
    found: dict[str, Any] = spec["deploymentSpec"]["executors"][label]["container"]
    return found
