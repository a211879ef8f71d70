"""The sample of spoken words, made with few voices: the same bytes each time, one second each, every word its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modelmill.data import sample_data
from modelmill.data.core.fetch import wheel
from modelmill.data.samples import keywords


def made(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    try:
        keywords.make(folder, ("f2", "m1"))
    except wheel.MissingPackageError as error:
        pytest.skip(f"the speech synthesizer can't be fetched: {error}")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.flac"))}


def test_words_are_the_same_each_time_and_differ_from_one_another(tmp_path: Path) -> None:
    clips = made(tmp_path / "first")
    assert clips == made(tmp_path / "again")
    assert len(clips) == 2 * (len(keywords.WORDS) + 2) * keywords.TAKES == len(set(clips.values()))
    loud = {}
    for path in (tmp_path / "first").rglob("*.flac"):
        clip, rate = soundfile.read(path)
        assert rate == keywords.RATE and clip.shape == (rate,)
        loud.setdefault(path.parent.name, []).append(np.sqrt(np.mean(clip**2)))
    assert np.median(loud["silence"]) < 0.5 * min(np.median(loud[word]) for word in keywords.WORDS)
    assert "GPL" in sample_data.look_up("keywords").card(), "the card names the licence of what made it"
