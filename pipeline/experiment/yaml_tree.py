"""The words of an experiment's file as a tree of plain values, and changes of single ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from modelmill.pipeline.experiment.errors import ExperimentError

# Values of an experiment: more than any has, fewer than a few lines of aliases of aliases make.
MOST = 100_000


def read(path: Path, source: str) -> dict[str, Any]:
    """The sections of a file, which a person calls `source`.

    Raises:
      ExperimentError: it can't be read, or is no mapping of sections.
    """
    try:
        tree = _load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExperimentError(source, [" ".join(str(error).split())]) from error
    if not isinstance(tree, dict):
        found = "an empty file" if tree is None else type(tree).__name__
        raise ExperimentError(source, [f"an experiment is a mapping of sections, found {found}"])
    return tree


def override(tree: dict[str, Any], overrides: list[str], source: str) -> None:
    """Sets each `key.sub=value`; the value is read as YAML. Raises ExperimentError."""
    for one in overrides:
        _override(tree, one, source)


def _override(tree: dict[str, Any], override: str, source: str) -> None:
    key, equals, text = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all((*parents, last)):
        raise ExperimentError(source, [f"--set {override}: give key.sub=value, such as train.epochs=5"])
    node = tree
    for parent in parents:
        child = node.get(parent)
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ExperimentError(source, [f"--set {override}: {parent} holds a value, not a section"])
        node = child
    try:
        node[last] = _load(text)
    except ValueError as error:
        raise ExperimentError(source, [f"--set {override}: {' '.join(str(error).split())}"]) from error


def _load(text: str) -> Any:
    """The values of a text. Raises ValueError: it is no YAML, or too deep or too large, with line and column."""
    try:
        tree = yaml.load(text, Loader=_UniqueKeyLoader)
        count = _count(tree, {})
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    if count > MOST:
        raise ValueError(f"with its aliases (*name) it has {count:,} values; allowed are {MOST:,}")
    return tree


def _count(value: Any, known: dict[int, int]) -> int:
    """Count the values, each alias written out."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST  # of an alias within itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(one, known) for one in inner)
    return known[id(value)]


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe, and refuses a key that stands twice: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = f"a key is a word, found {key!r}"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in seen:
                problem = f"key {key!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
