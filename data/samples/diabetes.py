"""Diabetes, of scikit-learn: 442 rows of ten numbers, and how far the disease went in a year, 25 to 346.

Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, 2004; the copy is the one that
scikit-learn (BSD-3-Clause) carries. Made by `write`: one CSV, unscaled, numbers unchanged.
"""

from __future__ import annotations

import csv
from pathlib import Path

from modelmill.data.sample_data import Sample


class Diabetes(Sample):
    """Measurements of patients, with a number as the label."""

    def write(self, folder: Path) -> None:
        """Write folder/diabetes.csv: the column progression, and the numbers."""
        from sklearn.datasets import load_diabetes

        found = load_diabetes(scaled=False)
        with (folder / "diabetes.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*found.feature_names, "progression"])
            writer.writerows(
                [*numbers, label] for numbers, label in zip(found.data.tolist(), found.target, strict=True)
            )
