"""A digest of the source that a node runs, so that editing it counts as a change of what the node makes.

TFX's cache key holds properties and inputs only: with import paths, an edited family would silently give the old
model (only the text of a `module_file` is in the key).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = "modelmill"
VERSIONS = ("tensorflow", "tfx", "tensorflow-model-optimization")


def code(*modules: str) -> str:
    """Digest of the modules, of all of ours that they import (inside functions too), and of the versions below them.

    Args:
      modules: dotted names; a plug-in, which is imported by its name only at run time, must be named here.
    """
    closure: dict[str, Path] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name not in closure:
            closure[name], imported = _scan(name)
            queue += imported
    digest = hashlib.sha256()
    for name in sorted(closure):
        digest.update(name.encode() + b"\0" + closure[name].read_bytes() + b"\0")
    for package in VERSIONS:
        digest.update(f"{package}=={metadata.version(package)}\0".encode())
    return digest.hexdigest()[:16]


def _scan(name: str) -> tuple[Path, list[str]]:
    """The file of a module and the modules of ours that it imports."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {name}")
    path = Path(spec.origin)
    return path, _imports(path, path.stat().st_mtime_ns)


@cache
def _imports(path: Path, changed: int) -> list[str]:
    """What of ours a file imports; `changed` is when the file did, as part of the cache's key."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [module for module in found if module.split(".")[0] == ROOT and _is_module(module)]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
