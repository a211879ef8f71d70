"""Japanese vowels: 640 utterances of /ae/ by nine men, 7 to 29 steps of 12 coefficients; who speaks is to be told.

Source: M. Kudo, J. Toyama and M. Shimbo, Multidimensional Curve Classification Using Passing-Through Regions, 1999, at
UCI, CC BY 4.0; the copy is the one that aeon 1.6.0 (BSD-3-Clause) carries, gzipped here. Made by `write`: the test
split is the data set's own (370 utterances, recorded at other times); of its train split (30 of each speaker) every
sixth utterance becomes eval.
"""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

from modelmill.data.sample_data import Sample

EVERY = 6


class JapaneseVowels(Sample):
    """Time series of several channels and lengths, split by folders."""

    def write(self, folder: Path) -> None:
        """Write folder/SPLIT/japanese_vowels.ts for train, eval and test."""
        files = resources.files("modelmill.data.samples") / "files"
        train, test = (
            gzip.decompress((files / f"japanese_vowels_{name}.ts.gz").read_bytes()).decode("utf-8")
            for name in ("train", "test")
        )
        head, _, body = train.partition("@data\n")
        lines = [line for line in body.splitlines() if line]
        parts = {
            "train": [line for place, line in enumerate(lines) if place % EVERY],
            "eval": lines[::EVERY],
            "test": test.partition("@data\n")[2].splitlines(),
        }
        for split, found in parts.items():
            (folder / split).mkdir()
            text = f"{head}@data\n" + "\n".join(found) + "\n"
            (folder / split / "japanese_vowels.ts").write_text(text, encoding="utf-8", newline="\n")
