"""The sample of tweets is what its docs say."""

from __future__ import annotations

import json
import re
from pathlib import Path

from modelmill.data import sample_data
from modelmill.data.samples import tweets


def test_tweets_have_a_source_and_a_week_and_neither_links_nor_doubles(tmp_path: Path) -> None:
    sample_data.look_up("tweets").write(tmp_path)
    found = [json.loads(line) for line in (tmp_path / "tweets.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(found) == tweets.COUNT
    assert len({one["source"] for one in found}) == 16
    # Weeks from 1970: of 2011 to 2015.
    weeks = {int(one["week"]) for one in found}
    assert 2130 < min(weeks) < max(weeks) < 2370
    texts = [one["text"] for one in found]
    assert min(map(len, texts)) >= tweets.SHORTEST
    assert not any("http" in text or "\n" in text for text in texts)
    assert len({re.sub(r"\W+", "", text.lower()) for text in texts}) == len(texts)
