"""What `modelmill new` writes for texts: one folder of files a class."""

from __future__ import annotations

import math
from statistics import quantiles

from modelmill.data.profiling import class_folders
from modelmill.data.profiling.draft import Asked, Draft
from modelmill.data.profiling.profile import Found

CHARACTERS_A_TOKEN = 3


def draft(asked: Asked) -> Draft:
    """Draft an experiment. Raises NoProjectError."""
    return class_folders.draft(
        asked,
        class_folders.Writer(
            "transformer_encoder",
            "text files",
            {"text": "bytes", "characters": "int"},
            _data,
            "augment:\n  deletion: 0.05            # shares of the words\n  swap: 0.05",
            _model,
        ),
    )


def _data(found: Found) -> str:
    lengths = found.numbers["characters"]
    most = quantiles(lengths, n=10)[8] if len(lengths) > 1 else lengths[0]
    tokens = max(16, min(512, 8 * math.ceil(most / CHARACTERS_A_TOKEN / 8)))
    return f"""\
  length: {tokens}               # tokens: nine of ten texts have no more than {most:,.0f} characters
  tokenizer: {{vocabulary: {_vocabulary(found)}}}   # pieces of words, learned from the train split"""


def _vocabulary(found: Found) -> int:
    """Of so many pieces a small text gives each a few examples."""
    return max(200, min(8000, 100 * math.ceil(sum(found.numbers["characters"]) / 200 / 100)))


def _model(found: Found, asked: Asked) -> str:
    width = next((one for one in (64, 32, 16) if asked.fits(_vocabulary(found) * one + 12 * one * one)), 16)
    return f"  width: {width}\n  depth: 1\n  heads: 4\n  hidden: {2 * width}\n"
