"""The handwritten digits of scikit-learn: 1,797 real images of 8 x 8 grey pixels, ten classes.

Source: Optical Recognition of Handwritten Digits, UCI (E. Alpaydin and C. Kaynak, 1998), CC BY 4.0; the copy is
the one that scikit-learn (BSD-3-Clause) carries. Made by `write`: the values 0 to 16 become 0 to 255, each image a
PNG in the folder of its class.
"""

from __future__ import annotations

from pathlib import Path

from modelmill.data.sample_data import Sample


class Digits(Sample):
    """Images of handwritten digits, a folder a class."""

    def write(self, folder: Path) -> None:
        """Write the images as folder/CLASS/NUMBER.png."""
        import numpy as np
        from PIL import Image
        from sklearn.datasets import load_digits

        digits = load_digits()
        for label in range(10):
            (folder / str(label)).mkdir()
        for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            grey = np.rint(image * (255 / 16)).astype(np.uint8)
            Image.fromarray(grey).save(folder / str(label) / f"{number:04}.png")
