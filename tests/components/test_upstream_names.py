"""Private names of other libraries are used in components/upstream only, and docs/upstream.md tells of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.components.upstream import guard

ROOT = Path(__file__).parents[2]
UPSTREAM = ROOT / "components" / "upstream"
PAGE = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
PRIVATE = re.compile(r"_[A-Za-z]\w*")
# Of the standard library, where there is no other name.
STANDARD = {"os._exit", "ctypes._Pointer"}
HIDDEN = re.compile(r"\.(src|python|_[a-z]\w*)\.")
INTERNAL = re.compile(r"tfx\.(?!v1\b)|tensorflow_model_analysis\.\w|google\.cloud\.aiplatform\.")


def trees(*folders: str) -> dict[Path, ast.Module]:
    """The source of the product by file; that of components/upstream is left out."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files if UPSTREAM not in path.parents}


PRODUCT = trees("pipeline", "components", "data")


def own_names(source: dict[Path, ast.Module]) -> set[str]:
    """Names that the source itself gives to functions, classes, variables and attributes of self."""
    found = set()
    for node in (node for tree in source.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "self.__dict__":
            found.add(ast.literal_eval(node.slice))
    return found


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def foreign_names(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Uses of private names that are not the source's own: attributes, by getattr and the like, and imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            if node.attr not in own and ast.unparse(node) not in STANDARD:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and PRIVATE.fullmatch(str(name.value)) and name.value not in own:
                yield ast.unparse(node)
        for module in imported(node):
            if not module.startswith("modelmill.") and HIDDEN.search(f"{module}."):
                yield f"import of {module}"


def imported(node: ast.AST) -> list[str]:
    """The full names that an import brings."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_private_names_of_libraries_are_used_in_upstream_only() -> None:
    own = own_names(PRODUCT)
    found = [f"{path.relative_to(ROOT)}: {name}" for path, tree in PRODUCT.items() for name in foreign_names(tree, own)]
    assert found == [], "move it to components/upstream, with its reason, guard and tests; see docs/upstream.md"


@pytest.mark.parametrize(
    "source",
    [
        "model._nodes_by_depth",
        "getattr(model, '_nodes_by_depth')",
        "self._make_beam_pipeline()",
        "from tf_keras.src.engine import keras_tensor",
        "from apache_beam import _private",
        "import tensorflow.python.client",
    ],
)
def test_each_way_to_use_one_is_noticed(source: str) -> None:
    assert list(foreign_names(ast.parse(source), set()))


def rows(part: str) -> list[list[str]]:
    """The cells of the table in a part of the page, without its head."""
    text = part.partition("|---")[2]
    return [line.strip("| ").split(" | ") for line in text.splitlines()[1:] if line.startswith("|")]


TABLE, MODULES = (rows(part) for part in PAGE.split("## Modules outside"))


def functions() -> dict[str, ast.FunctionDef]:
    """The public functions of components/upstream by module.name."""
    found = {}
    for path in sorted(UPSTREAM.glob("*_internals.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found[f"{path.stem}.{node.name}"] = node
    return found


def test_each_function_has_its_row_and_its_tests() -> None:
    assert [row[0].strip("`") for row in TABLE if row[0].strip("`") not in functions()] == []
    assert [name for name in functions() if f"| `{name}` |" not in PAGE] == []
    tests = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    for row in TABLE:
        assert len(row) == 7, row[0]
        for name in re.findall(r"`(\w+)`", f"{row[5]} {row[6]}"):
            assert f"def {name}(" in tests, f"{row[0]}: there is no test {name}"


def test_each_row_tells_the_range_of_its_guard() -> None:
    for row in TABLE:
        name = row[0].strip("`")
        guarded = [call for call in ast.walk(functions()[name]) if _guard(call)]
        module = ast.parse((UPSTREAM / f"{name.partition('.')[0]}.py").read_text(encoding="utf-8"))
        libraries = [
            node.value.args
            for node in module.body
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("guard.Library(")
        ]
        assert isinstance(libraries[0][0], ast.Constant) and isinstance(libraries[0][1], ast.Constant)
        tested = f"`{libraries[0][0].value}{libraries[0][1].value}`"
        assert row[3] == tested if guarded else row[3].startswith("any"), name
        kinds = {_guard(call) for call in guarded}
        assert row[4].partition(":")[0] == {"applies": "off", "require": "error"}[kinds.pop()] if kinds else "the same"


def _guard(node: ast.AST) -> str:
    """Which guard a call is of; "" if of none."""
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called.removeprefix("guard.") if called in ("guard.applies", "guard.require") else ""


def test_modules_outside_of_the_public_api_are_told_of() -> None:
    told = {name for row in MODULES for name in re.findall(r"`([\w.]+)`", row[0])}
    used = {
        module
        for tree in PRODUCT.values()
        for node in ast.walk(tree)
        for module in imported(node)
        if INTERNAL.match(module)
    }
    assert [module for module in sorted(used) if not any(f"{module}.".startswith(f"{name}.") for name in told)] == []
    assert [name for name in sorted(told) if not any(f"{module}.".startswith(f"{name}.") for module in used)] == []


def test_the_installed_versions_are_tested_ones() -> None:
    found = set(
        re.findall(
            r"guard\.Library\(\"([\w-]+)\", \"([^\"]+)\"\)",
            "\n".join(path.read_text(encoding="utf-8") for path in sorted(UPSTREAM.glob("*_internals.py"))),
        )
    )
    assert len(found) == len(list(UPSTREAM.glob("*_internals.py")))
    for distribution, tested in found:
        assert guard.Library(distribution, tested).is_tested(), (distribution, guard.installed(distribution))
