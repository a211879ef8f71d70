"""What the working directory holds is not imported in place of a package, by the command line or its children."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def commands_in(source: str) -> Iterator[list[str]]:
    """The words of each list or tuple that begins with sys.executable, as they stand in the source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.List, ast.Tuple)) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
            yield [ast.unparse(word) for word in node.elts]


def test_every_child_process_is_started_with_a_safe_path() -> None:
    found = [
        (path.relative_to(ROOT), command)
        for folder in ("pipeline", "components", "data")
        for path in (ROOT / folder).rglob("*.py")
        for command in commands_in(path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 4
    unsafe = [(path, command) for path, command in found if command[1] not in ("'-P'", "'-I'")]
    assert not unsafe, "give -P behind sys.executable"


@pytest.mark.parametrize("start", [["-m"], ["-P", "-m"]], ids=" ".join)
def test_the_command_line_imports_nothing_of_the_working_directory(tmp_path: Path, start: list[str]) -> None:
    for name in ("pipeline", "components", "typer", "yaml"):
        (tmp_path / f"{name}.py").write_text('raise ImportError(f"{__file__} was imported")\n')
    command = [sys.executable, *start, "modelmill", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "digits-cnn" in done.stdout, done.stderr


def test_only_a_safe_path_keeps_out_a_namesake_of_the_package_itself(tmp_path: Path) -> None:
    (tmp_path / "modelmill").mkdir()
    (tmp_path / "modelmill" / "__init__.py").write_text('raise ImportError("a namesake")\n')
    command = [sys.executable, "-P", "-m", "modelmill", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("modelmill "), done.stderr


def test_the_command_line_starts_where_the_working_directory_was_removed(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'rmdir "$PWD" && exec "$0" -m modelmill --version'
    command = ["sh", "-c", script, sys.executable]
    done = subprocess.run(command, cwd=tmp_path / "gone", capture_output=True, text=True, check=False)
    assert done.stdout.startswith("modelmill "), done.stderr
