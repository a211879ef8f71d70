"""Hold the client file of a plug-in to what a device has: it is pushed without modelmill. Its code is not run."""

from __future__ import annotations

import ast
import os
import sys
from functools import lru_cache
from pathlib import Path

ALWAYS = ("numpy",)
DECLARED = "REQUIRES"


def problem(file: Path, needs: tuple[str, ...]) -> str:
    """Return what is wrong with a client file, with file and line; "" if nothing is.

    Args:
      file: its source.
      needs: names that it must define.
    """
    now = os.stat(file)
    return _problem(file, needs, (now.st_mtime_ns, now.st_size))


@lru_cache(maxsize=64)
def _problem(file: Path, needs: tuple[str, ...], changed: tuple[int, int]) -> str:
    """As `problem`; `changed` is when the file did and its size, as part of the cache's key."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"{file}, line {error.lineno}: {error.msg}"
    defined = _defined(tree)
    declared = defined.get(DECLARED)
    try:
        requires = ast.literal_eval(declared) if declared else ()
    except ValueError:
        requires = None
    if not isinstance(requires, tuple) or not all(isinstance(name, str) for name in requires):
        line = getattr(declared, "lineno", 1)
        return f'{file}, line {line}: {DECLARED} must be a tuple of names of packages, such as ("PIL",)'
    allowed = (*ALWAYS, *requires)
    for node in ast.walk(tree):
        for module in _imported(node):
            package = module.partition(".")[0]
            if package not in allowed and package not in sys.stdlib_module_names:
                line = getattr(node, "lineno", 1)
                return (
                    f"{file}, line {line}: it imports {module!r}; a client runs without modelmill: allowed are the "
                    f"standard library and {', '.join(allowed)}; name another package in its {DECLARED}"
                )
    missing = [name for name in needs if name not in defined]
    return f"{file} does not define {', '.join(missing)}" if missing else ""


def _imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports; those of a relative import begin with a dot."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def _defined(tree: ast.Module) -> dict[str, ast.expr | None]:
    """Return the names that a module defines at its top, and the value of each that is assigned."""
    found: dict[str, ast.expr | None] = {}
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = None
        elif isinstance(node, ast.Assign):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.value
    return found
