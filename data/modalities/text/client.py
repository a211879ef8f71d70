"""Client part of the modality text: a text to the flatbuffer's input. It needs numpy and tokenizers.

A file is one text, in UTF-8. In a program: model.answer(model.reader.encode(text)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Read the text as UTF-8. Encode it with tokenizer.json (Hugging Face tokenizers), which cleans, splits, cuts into "
    "pieces, adds special tokens, truncates and pads; if `pairs`, as a pair of what is before and behind the first "
    "tab. The ids are the input."
)
# The packages that it imports besides numpy.
REQUIRES = ("tokenizers",)
# Of the manifest's `preprocessing`.
FIELDS = {"length": int, "pairs": bool, "tokenizer": str}
FILES = "a text in UTF-8"
PAIR = "\t"


class NotATextError(ValueError):
    """A file that is no text; the message names it."""


ERROR = NotATextError


class Reader:
    """Reads texts."""

    dtype = "int32"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(file(settings["tokenizer"])))
        self._pairs = settings["pairs"]
        self.shape = (settings["length"],)

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """Yield the one example of a file. Raises NotATextError: it is not UTF-8, or can't be read."""
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise NotATextError(f"{path}: no text in UTF-8 ({error})") from error
        yield str(path), self.encode(text)

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the token ids of a text, int32 [length]."""
        return preprocess(self._tokenizer, text, self._pairs)


def preprocess(tokenizer: Any, text: str, pairs: bool) -> NDArray[np.int32]:
    """A text to its token ids int32 [length]; `tokenizer` is of the package of that name."""
    if not pairs:
        return np.array(tokenizer.encode(text).ids, np.int32)
    one, _, two = text.partition(PAIR)
    return np.array(tokenizer.encode(one, two).ids, np.int32)
