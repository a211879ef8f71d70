"""Tokenizers: TensorFlow's own ops and the `tokenizers` library must give the same ids, one by one."""

# ruff: noqa: RUF001 (the letters of other scripts are meant)

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer

from modelmill.data.modalities.text.tokenizer import tf_tokenizer, train
from modelmill.data.modalities.text.tokenizer.train import TokenizerConfig
from modelmill.data.samples import messages

LENGTH = 24


def english() -> list[str]:
    return [messages._message(random.Random(number), label) for number in range(60) for label in messages.ABOUT]


def chinese() -> list[str]:
    """A few hundred sentences without a single space."""
    who, when = ("我们", "他", "老师", "邻居的孩子", "那位医生"), ("今天", "昨天晚上", "每个星期三", "下雨的时候")
    what = ("在图书馆看书", "去市场买新鲜的蔬菜", "学习怎么修自行车", "和朋友一起唱歌", "写了一封很长的信")
    end = ("。", "，觉得很高兴！", "，因为天气不好；", "？")
    return ["".join(parts) for parts in itertools.product(when, who, what, end)]


def odd(seed: int, count: int = 300) -> list[str]:
    """Letters of many scripts, marks in any order, controls, spaces, emoji, private and unassigned characters."""
    pool = [
        chr(code)
        for begin, end in [(32, 0x250), (0x300, 0x370), (0x590, 0x5F0), (0x4E00, 0x4E40), (0xAC00, 0xAC30)]
        for code in range(begin, end)
    ]
    pool += list(
        "\u0130\u03a3\ufb01\u2016\ufeff\U0001f600\ue000\U000f0000\U00040000\U0002000b\x85\xa0\u3000\uff21\u2f00"
    )
    chosen = random.Random(seed)
    return ["".join(chosen.choice(pool) for _ in range(chosen.randint(0, 50))) for _ in range(count)]


FIXED = [
    *(
        "",
        "   ",
        "a" * 101 + " b",
        "a" * 100,
        "[SEP] [CLS] x",
        "\x00\x01x",
        "end\r\nof\tline",
        "\u0301begins with a mark",
    ),
    *("e\u0301\u0323 = e\u0323\u0301", "Ａｂｃ ﬁne", "don't stop-me!!", "İstanbul ΣΑΣ"),
]
CONFIGS = {
    "wordpiece": {},
    "bpe": {"kind": "bpe"},
    "cased": {"unicode": "none", "lowercase": False},
    "stripped": {"strip_accents": True, "stop_words": ("the", "of", "my", "it")},
    "words of Chinese": {"unicode": "nfd", "kind": "bpe", "split_han": False},
}


@pytest.fixture(scope="module", params=CONFIGS)
def made(request: pytest.FixtureRequest) -> str:
    config = TokenizerConfig.model_validate({"vocabulary": 600, **CONFIGS[request.param]})
    return train.train(train.words([*english(), *chinese(), *odd(0)], config), config, LENGTH)


@lru_cache
def graph(made: str, pairs: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    strings = tf.TensorSpec([None], tf.string)
    return tf.function(lambda given: tf_tokenizer.graph(made)(given, pairs), input_signature=[strings], autograph=False)


def ids(made: str, texts: list[str], pairs: bool = False) -> np.ndarray:
    return graph(made, pairs)(tf.constant(texts)).numpy()


@pytest.mark.parametrize("texts", [english, chinese, lambda: odd(1), lambda: FIXED])
def test_tensorflow_gives_the_ids_of_the_library(made: str, texts: list[str]) -> None:
    given = texts()
    wanted = [found.ids for found in Tokenizer.from_str(made).encode_batch(given)]
    np.testing.assert_array_equal(ids(made, given), wanted)


def test_pairs_are_cut_as_the_library_cuts_them(made: str) -> None:
    chosen = random.Random(3)
    parts = [one[: chosen.randint(0, 120)].replace("\t", " ") for one in [*english(), *chinese(), *odd(2)]]
    given = [(one, chosen.choice(parts)) for one in parts]
    wanted = [Tokenizer.from_str(made).encode(one, two).ids for one, two in given]
    np.testing.assert_array_equal(ids(made, ["\t".join(pair) for pair in given], pairs=True), wanted)


def test_bytes_that_are_no_text_and_empty_batches_do_no_harm(made: str) -> None:
    assert ids(made, [b"\xff\xfe broken \xc3"]).shape == (1, LENGTH)
    assert ids(made, tf.constant([], tf.string)).shape == (0, LENGTH)


def test_the_same_counts_give_the_same_pieces() -> None:
    for kind in ("wordpiece", "bpe"):
        config = TokenizerConfig(kind=kind, vocabulary=300)
        counts = train.words(english(), config)
        turned = dict(sorted(counts.items(), reverse=True))
        assert len({train.train(one, config, LENGTH) for one in (counts, turned, counts, turned)}) == 1


def test_its_size_is_kept_and_padding_has_id_zero() -> None:
    config = TokenizerConfig(vocabulary=90)
    made = train.train(train.words(chinese(), config), config, LENGTH)
    assert 60 < train.size(made) <= 90
    found = ids(made, ["x", "我们"])
    assert found[0].tolist() == [2, 1, 3] + [0] * (LENGTH - 3) and 1 not in found[1]


def test_nobody_can_write_special_tokens_into_a_text(made: str) -> None:
    (found,) = ids(made, ["[SEP] [MASK] [CLS]"])
    assert sorted(np.flatnonzero(found == 3)) == [np.flatnonzero(found)[-1]] and 4 not in found


def test_stop_words_are_left_out() -> None:
    config = TokenizerConfig(vocabulary=600, stop_words=("is", "the"))
    made = train.train(train.words(english(), config), config, LENGTH)
    assert ids(made, ["The kettle IS broken"]).tolist() == ids(made, ["kettle broken"]).tolist()
    with pytest.raises(ValueError, match="letters and digits, found 'a b'"):
        TokenizerConfig(stop_words=("a b",))


def test_a_checkpoint_of_a_vocabulary_alone_is_read(tmp_path: Path) -> None:
    pieces = [*train.SPECIALS, "deli", "##very", "late", "."]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    made = train.read(tmp_path, TokenizerConfig(), 8)
    assert ids(made, ["Délivery late."]).tolist() == [[2, 5, 6, 7, 8, 3, 0, 0]]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert ids(train.read(tmp_path, TokenizerConfig(), 8), ["Delivery late"]).tolist() == [[2, 1, 7, 3, 0, 0, 0, 0]]


def test_a_checkpoint_that_can_not_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither tokenizer\.json nor vocab\.txt"):
        train.read(tmp_path, TokenizerConfig(), 8)
    (tmp_path / "vocab.txt").write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\n")
    with pytest.raises(ValueError, match=r"\[PAD\] as id 0"):
        train.read(tmp_path, TokenizerConfig(), 8)
    config = TokenizerConfig(kind="bpe", vocabulary=300)
    made = train.train(train.words(english(), config), config, LENGTH)
    (tmp_path / "tokenizer.json").write_text(made)
    with pytest.raises(ValueError, match="only BERT's WordPiece can be served"):
        train.read(tmp_path, TokenizerConfig(), 8)
