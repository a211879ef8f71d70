"""The words of an experiment's file as a tree of plain values, and changes of single ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from modelmill.pipeline.experiment.errors import ExperimentError


def read(path: Path, source: str) -> dict[str, Any]:
    """The sections of a file, which a person calls `source`.

    Raises:
      ExperimentError: it can't be read, or is no mapping of sections.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
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
        node[last] = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ExperimentError(source, [f"--set {override}: {' '.join(str(error).split())}"]) from error


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
