"""Prints the lines of requirements.lock for some packages, hashes and all."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def blocks(lock: str) -> dict[str, str]:
    """Lines by package: a name at the beginning of a line, and the indented lines behind it."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        start = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?==", line)
        if start:
            name = start[1].lower()
        if name and (start or line.startswith((" ", "\t"))):
            found[name] = found.get(name, "") + line
    return found


def main(names: list[str]) -> None:
    """The program."""
    found = blocks(Path("requirements.lock").read_text(encoding="utf-8"))
    missing = [name for name in names if name not in found]
    if missing:
        raise SystemExit(f"requirements.lock has no {', '.join(missing)}")
    for name in names:
        sys.stdout.write(found[name])


if __name__ == "__main__":
    main(sys.argv[1:])
