"""The pages of the docs, their blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^(?:<!-- ([\w-]+) -->\n)?```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMANDS = ("modelmill", ".venv/bin/modelmill")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """What the comment before it says, such as no-run, and the text, of each fenced block of a language."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(told, text) for told, head, text in found if head == language]


def commands(page: Path) -> list[list[str]]:
    """Every modelmill command line: of fenced blocks, whether they are run or not, and of indented ones."""
    text = page.read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return _words("\n".join(text for _, text in blocks(page, "sh"))) + _words("\n".join(lines))


def run_commands(page: Path) -> list[list[str]]:
    """Those of blocks that do not say no-run."""
    return _words("\n".join(text for told, text in blocks(page, "sh") if told != "no-run"))


def _words(text: str) -> list[list[str]]:
    """Of each modelmill command line."""
    lines = text.replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines if line.strip().startswith(COMMANDS)]
    return [words[1 : words.index(">")] if ">" in words else words[1:] for words in split]
