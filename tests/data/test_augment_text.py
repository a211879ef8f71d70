"""Augmentation of texts: pure, seeded, the same whatever the batch, and nothing at strength 0."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from modelmill.data import modality
from modelmill.data.modalities.text import augment
from modelmill.data.modalities.text.config import CHANGES, TextPolicy
from modelmill.data.modalities.text.synonyms import read

text = modality.look_up("text")

TEXT = "the quick brown fox jumps over the lazy dog while two small birds sing in an old tree"
COUNT = 200


@pytest.fixture
def lexicon(tmp_path: Path) -> str:
    path = tmp_path / "lexicon.csv"
    path.write_text("Quick, fast, swift\nsmall\ttiny\n\nlonely,\n", encoding="utf-8")
    return str(path)


def changed(policy: TextPolicy, texts: list[str] | None = None, first: int = 0) -> list[str]:
    texts = [TEXT] * COUNT if texts is None else texts
    seeds = tf.stack([tf.ones([len(texts)], tf.int64), tf.range(first, first + len(texts), dtype=tf.int64)], axis=1)
    function = tf.function(lambda *given: augment.augment(*given, policy), autograph=False)
    return [one.decode() for one in function(tf.constant(texts), seeds).numpy()]


def policy(name: str, lexicon: str, **more: Any) -> TextPolicy:
    return TextPolicy.model_validate({name: 0.3, "lexicon": lexicon, **more})


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_seed_gives_the_same_text_in_any_batch(name: str, lexicon: str) -> None:
    whole = changed(policy(name, lexicon))
    assert whole == changed(policy(name, lexicon))
    assert whole[20:25] == changed(policy(name, lexicon), [TEXT] * 5, first=20)
    assert len(set(whole)) > 3
    assert TEXT in changed(policy(name, lexicon, strength=0.01))


@pytest.mark.parametrize("name", CHANGES)
def test_strength_zero_changes_nothing(name: str, lexicon: str) -> None:
    assert changed(policy(name, lexicon, strength=0)) == [TEXT] * COUNT
    assert not policy(name, lexicon, strength=0).changes() and not TextPolicy(characters=True).changes()


def test_deletion_leaves_about_that_share_out_and_never_all(lexicon: str) -> None:
    words = TEXT.split()
    found = [one.split() for one in changed(policy("deletion", lexicon))]
    assert 0.65 < sum(map(len, found)) / (COUNT * len(words)) < 0.75
    for one in found:
        left = iter(words)
        assert all(word in left for word in one), "in their order"
    assert set(changed(TextPolicy(deletion=1), ["two words", "one", ""])) == {"two words", "one", ""}


def test_swap_keeps_the_words(lexicon: str) -> None:
    found = changed(policy("swap", lexicon))
    assert all(Counter(one.split()) == Counter(TEXT.split()) for one in found)


def test_insertion_adds_words_of_the_text_or_synonyms_of_them(lexicon: str) -> None:
    found = [one.split() for one in changed(policy("insertion", lexicon))]
    assert 1.25 < sum(map(len, found)) / (COUNT * len(TEXT.split())) < 1.35
    assert {word for one in found for word in one} == {*TEXT.split(), "fast", "swift", "tiny"}
    alone = changed(TextPolicy(insertion=0.5))
    assert {word for one in alone for word in one.split()} == set(TEXT.split())


def test_synonyms_come_from_the_lexicon_alone(lexicon: str) -> None:
    found = changed(policy("synonyms", lexicon))
    assert {one.split()[1] for one in found} == {"quick", "fast", "swift"}
    assert all(one.split()[0] == "the" for one in found)
    with pytest.raises(ValidationError, match="needs 'lexicon'"):
        TextPolicy(synonyms=0.1)


def test_noise_changes_about_that_share_of_characters(lexicon: str) -> None:
    found = changed(policy("noise", lexicon, noise=0.05))
    same = [sum(a == b for a, b in zip(one.split(), TEXT.split(), strict=True)) for one in found]
    assert 0.7 < np.mean(same) / len(TEXT.split()) < 0.95
    assert all(len(one.split()) == len(TEXT.split()) for one in found), "no word is lost"


def test_masking_makes_about_that_share_unknown(lexicon: str) -> None:
    found = [one.split() for one in changed(policy("masking", lexicon))]
    share = np.mean([word == augment.MASKED for one in found for word in one])
    assert 0.2 < share < 0.32
    shapes = ["".join("x" if word == augment.MASKED else " " for word in one) for one in found]
    assert {len(run) for shape in shapes for run in shape.split()} >= {1, 2, 3}


def test_the_two_texts_of_a_pair_stay_apart(lexicon: str) -> None:
    every = TextPolicy.model_validate({**dict.fromkeys(CHANGES, 0.3), "lexicon": lexicon})
    for one in changed(every, [f"{TEXT}\t{TEXT}"] * COUNT):
        assert one.count("\t") == 1 and all(one.split("\t"))
    swapped = changed(TextPolicy(deletion=1), ["a\tb"])
    assert swapped == ["a\tb"]


def test_languages_without_spaces_are_changed_character_by_character() -> None:
    chinese = "今天天气很好我们去公园散步"
    found = changed(TextPolicy(deletion=0.2, characters=True), [chinese] * COUNT)
    assert 0.75 < np.mean([len(one) for one in found]) / len(chinese) < 0.85
    assert all(" " not in one for one in found)


def test_what_was_made_unknown_can_be_seen() -> None:
    told = text.show(tf.constant(f"the {augment.MASKED} fox"), text.Config(sample="messages"))
    assert told == ("text/plain", b"the [UNK] fox")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"film,movie\n\n,good\n", r"words.txt, line 3: found ',good'; wanted on each line: a word and its synonyms"),
        (b"film;movie\n", r"words.txt: there are no synonyms in it; wanted on each line: a word .*, with commas"),
        (b"\n \n", r"words.txt: there are no synonyms in it; wanted on each line"),
        (b"film,caf\xe9\n", r"words.txt: it is not UTF-8 \(byte 8\); save it as UTF-8"),
    ],
)
def test_a_broken_lexicon_is_refused_before_anything_runs(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    given = TextPolicy(synonyms=0.3, lexicon=str(path))
    with pytest.raises(ValueError, match=rf"^augment\.lexicon: .*{message}"):
        given.look()
    path.write_bytes(b"\xef\xbb\xbfFilm\tmovie, picture\nfilm,flick\n")
    given.look()
    assert read(path) == {"film": ["movie", "picture", "flick"]}
