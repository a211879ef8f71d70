"""Editing the source of a plug-in counts as a change of what it makes; editing what it does not use does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = (
    "from modelmill.components import source_digest;"
    "print(source_digest.code('modelmill.components.node', 'modelmill.components.plugin'))"
)


def write(folder: Path, **sources: str) -> None:
    package = folder / "modelmill" / "components"
    package.mkdir(exist_ok=True, parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    real = Path(__file__).parents[2] / "components" / "source_digest.py"
    (package / "source_digest.py").write_text(real.read_text())
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source)


def digest(folder: Path) -> str:
    # -S: without the editable install, whose packages would come first.
    import tensorflow

    site = str(Path(tensorflow.__file__).parents[1])
    code = f"import sys; sys.path[:0] = [{str(folder)!r}]; sys.path.append({site!r}); {PROGRAM}"
    done = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_it_follows_imports_inside_functions_and_nothing_else(tmp_path: Path) -> None:
    write(
        tmp_path,
        node="def run():\n    from modelmill.components import helper\n    return helper\n",
        helper="VALUE = 1\n",
        plugin="X = 1\n",
        unrelated="Y = 1\n",
    )
    first = digest(tmp_path)
    assert digest(tmp_path) == first
    write(tmp_path, unrelated="Y = 2\n")
    assert digest(tmp_path) == first
    write(tmp_path, helper="VALUE = 2\n")
    second = digest(tmp_path)
    assert second != first
    write(tmp_path, plugin="X = 2\n")
    assert digest(tmp_path) not in (first, second)
