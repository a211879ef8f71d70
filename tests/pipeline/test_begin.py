"""What an experiment begins with is looked at before anything runs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from modelmill.pipeline.experiment import prerequisites
from modelmill.pipeline.experiment.errors import ExperimentError
from modelmill.pipeline.experiment.experiment import load


def test_a_broken_lexicon_ends_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("film;movie\n", encoding="utf-8")
    experiment = load("messages-transformer", [f"augment={{synonyms: 0.1, lexicon: {path}}}"])
    with pytest.raises(ExperimentError, match=r"augment\.lexicon: .*words\.txt: there are no synonyms in it"):
        prerequisites.prepare(experiment, lambda _: nullcontext(lambda _: None))
    path.write_text("film,movie\n", encoding="utf-8")
    prerequisites.prepare(experiment, lambda _: nullcontext(lambda _: None))
