"""Prints what is installed and not needed at run time: developers' tools, and what only they need."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path


def canonical(name: str) -> str:
    """As pip compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirements: list[str]) -> set[str]:
    """The installed packages behind the requirements, extras too."""
    from packaging.requirements import Requirement

    found: set[tuple[str, str]] = set()
    queue = [(Requirement(text), "") for text in requirements]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonical(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) in found:
                continue
            found.add((name, wanted))
            try:
                below = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                break
            queue += [(Requirement(text), wanted) for text in below]
    return {name for name, _ in found}


def main(arguments: list[str]) -> None:
    """The program."""
    project = tomllib.loads(Path(arguments[0]).read_text(encoding="utf-8"))["project"]
    kept = needed(project["dependencies"])
    for name in sorted(canonical(one.metadata["Name"]) for one in metadata.distributions()):
        if name not in kept:
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
