"""Image segments: 2,310 rows of 18 numbers about 3 x 3 pixels of outdoor photographs, seven classes, 330 of each.

Source: Image Segmentation, UCI (Vision Group, University of Massachusetts, 1990), CC BY 4.0; the copy is the one that
river 0.26.1 (BSD-3-Clause) carries, gzipped here. Made by `write`: one CSV, numbers unchanged, - in the names of
columns replaced by _.
"""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

from modelmill.data.sample_data import Sample


class Segment(Sample):
    """A table of numbers with seven classes."""

    def write(self, folder: Path) -> None:
        """Write folder/segment.csv: the column category, and the numbers."""
        packed = resources.files("modelmill.data.samples") / "files" / "segment.csv.gz"
        header, rest = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n", 1)
        (folder / "segment.csv").write_text(header.replace("-", "_") + "\n" + rest, encoding="utf-8", newline="\n")
