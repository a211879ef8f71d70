"""Breast cancer, of scikit-learn: 569 rows of 30 numbers, two classes, malignant and benign.

Source: Breast Cancer Wisconsin (Diagnostic), UCI (W. Wolberg, O. Mangasarian, N. Street and W. Street, 1995), CC BY
4.0; the copy is the one that scikit-learn (BSD-3-Clause) carries. Made by `write`: one CSV, numbers unchanged, words in
the names of columns joined by _.
"""

from __future__ import annotations

import csv
from pathlib import Path

from modelmill.data.sample_data import Sample


class Cancer(Sample):
    """Measurements of cells, by diagnosis."""

    def write(self, folder: Path) -> None:
        """Write folder/cancer.csv: the column diagnosis, and the numbers."""
        from sklearn.datasets import load_breast_cancer

        found = load_breast_cancer()
        with (folder / "cancer.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*(name.replace(" ", "_") for name in found.feature_names), "diagnosis"])
            for numbers, label in zip(found.data.tolist(), found.target, strict=True):
                writer.writerow([*numbers, found.target_names[label]])
