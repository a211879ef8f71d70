"""Two handwritten digits side by side: 3,055 grey images of 8 x 16 pixels; which digits are in it is to be told.

Source: Optical Recognition of Handwritten Digits, UCI (E. Alpaydin and C. Kaynak, 1998), CC BY 4.0; the copy is the
one that scikit-learn (BSD-3-Clause) carries. Made by `write`: 70, 15 and 15 % of the 1,797 real digits, drawn by a
fixed seed, go to train, eval and test, so that no digit is in two splits. Each stands once on the left and once on the
right of another one of its split, in train twice. The labels are the digits of a pair, `3|7`; one if both are alike.
"""

from __future__ import annotations

import csv
from pathlib import Path

from modelmill.data.sample_data import Sample

# How often each digit of a split stands on either side.
ROUNDS = {"train": 2, "eval": 1, "test": 1}
ENDS = {"train": 0.7, "eval": 0.85, "test": 1.0}
SEED = 0


class DigitPairs(Sample):
    """Two digits in one image: several labels an example."""

    def write(self, folder: Path) -> None:
        """Write folder/SPLIT/NUMBER.png, and pairs.csv with the columns path, label and split."""
        import numpy as np
        from PIL import Image
        from sklearn.datasets import load_digits

        digits = load_digits()
        grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        places, begin, rows = np.random.default_rng(SEED).permutation(len(grey)), 0, []
        for split, share in ENDS.items():
            (folder / split).mkdir()
            end = round(share * len(grey))
            left = places[begin:end]
            pairs = [pair for turn in range(ROUNDS[split]) for pair in zip(left, np.roll(left, turn + 1), strict=True)]
            for number, pair in enumerate(pairs):
                name = f"{split}/{number:04}.png"
                Image.fromarray(np.hstack([grey[one] for one in pair])).save(folder / name)
                rows.append((name, "|".join(sorted({str(digits.target[one]) for one in pair})), split))
            begin = end
        with open(folder / "pairs.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "label", "split"), *rows])
