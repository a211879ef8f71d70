"""A user's file of words and their synonyms."""

from __future__ import annotations

from pathlib import Path

WANTED = "wanted on each line: a word and its synonyms, with commas between"


def read(path: Path) -> dict[str, list[str]]:
    """The synonyms of each word, in lower case; commas or tabs between them. Words without any are left out.

    Raises:
      ValueError: it is no such file; with the line.
      FileNotFoundError: there is none.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    known: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        word, *others = (part.strip() for part in line.replace("\t", ",").split(","))
        others = [other for other in others if other]
        if not word:
            raise ValueError(f"{path}, line {number}: found {line.strip()!r}; {WANTED}")
        if others:
            known.setdefault(word.lower(), []).extend(others)
    if not known:
        raise ValueError(f"{path}: there are no synonyms in it; {WANTED}")
    return known
