"""Tokenizers of texts: what an experiment says of them, and how they are trained or read.

A tokenizer is one JSON text, the tokenizer.json of Hugging Face's `tokenizers`, which runs it on devices; what
TensorFlow does in tf_tokenizer.py is read off the same JSON. It is whole: length, special ids and stop words are in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from modelmill.data.core.config import Strict

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, UNKNOWN, START, END, MASK = SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUES = "##"
FILE = "tokenizer.json"
# Training repeats each word as often as it was counted; larger counts are scaled down to so many in all.
REPEATED, AT_ONCE = 20_000_000, 10_000
STOP = (r"\A(?:", r")\z")


class TokenizerConfig(Strict):
    """How a text becomes token ids: cleaned, split at spaces and punctuation, and words cut into known pieces."""

    kind: Literal["wordpiece", "bpe"] = Field("wordpiece", description="How words are cut: longest match, or merges.")
    vocabulary: int = Field(8000, ge=16, le=1_000_000, description="Ids, at most: trained on the train split alone.")
    min_count: int = Field(2, ge=1, description="Pieces and words that are rarer are not learned.")
    lowercase: bool = Field(True, description="Small letters throughout.")
    unicode: Literal["none", "nfd", "nfkd"] = Field(
        "nfkd", description="Unicode's canonical (nfd) or compatible (nfkd: full-width letters, ligatures) parts."
    )
    strip_accents: bool = Field(False, description="Leave out combining marks: with nfd or nfkd, é becomes e.")
    split_han: bool = Field(True, description="Each Chinese character is a word; else a run of them is one.")
    stop_words: tuple[str, ...] = Field((), description="Words left out, as they are after lower-casing.")

    @field_validator("stop_words")
    @classmethod
    def _plain(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not word.isalnum():
                raise ValueError(f"stop words are of letters and digits, found {word!r}")
        return tuple(sorted(set(words)))


def words(texts: list[str], config: TokenizerConfig) -> Counter[str]:
    """How often each word stands in the texts, cleaned and split as the tokenizer will do it."""
    made = _without_vocabulary(config)
    return Counter(
        word for text in texts for word, _ in made.pre_tokenizer.pre_tokenize_str(made.normalizer.normalize_str(text))
    )


def train(counts: Mapping[str, int], config: TokenizerConfig, length: int) -> str:
    """The JSON of a tokenizer whose pieces are learned from counted words.

    The same counts give the same pieces in the same order. The library numbers the letters as a hash map happens to
    hold them, and ties between merges go by those numbers, so each training of its own would come out differently:
    here all letters are named beforehand.

    Args:
      counts: of `words`, over the train split.
      config: kind, size and rules.
      length: tokens of a text, special ones included; longer texts are cut, shorter ones padded with id 0.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    letters: Counter[str] = Counter()
    for word, count in counts.items():
        letters.update({letter: count for letter in _letters(word)})
        letters.update({letter: count for letter in word})
    known = sorted(letters, key=lambda letter: (-letters[letter], letter))[: config.vocabulary - len(SPECIALS)]
    room, kept = max(1, sum(counts.values()) // REPEATED + 1), set(known)
    usable = {word: count for word, count in counts.items() if kept.issuperset([*word, *_letters(word)])}

    def repeated() -> Iterator[str]:
        for word, count in sorted(usable.items()):
            for start in range(0, -(-count // room), AT_ONCE):
                yield " ".join([word] * min(AT_ONCE, -(-count // room) - start))

    prefix: dict[str, Any] = {"continuing_subword_prefix": CONTINUES}
    learned = Tokenizer(models.BPE(unk_token=UNKNOWN, **prefix))
    learned.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learned.train_from_iterator(
        repeated(),
        trainers.BpeTrainer(
            vocab_size=config.vocabulary,
            min_frequency=config.min_count,
            special_tokens=[*SPECIALS, *sorted(known)],
            show_progress=False,
            **prefix,
        ),
    )
    pieces = json.loads(learned.to_str())["model"]
    if config.kind == "bpe":
        merges = [tuple(pair) for pair in pieces["merges"]]
        model: Any = models.BPE(pieces["vocab"], merges, unk_token=UNKNOWN, **prefix)
    else:
        model = models.WordPiece(pieces["vocab"], unk_token=UNKNOWN, max_input_chars_per_word=100, **prefix)
    return _whole(model, _without_vocabulary(config), length)


def read(folder: Path, config: TokenizerConfig, length: int) -> str:
    """The JSON of a checkpoint's tokenizer: its tokenizer.json, or vocab.txt with what tokenizer_config.json says.

    Raises:
      ValueError: it has neither, or it is none that TensorFlow's own ops can imitate.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    if (folder / FILE).is_file():
        found = Tokenizer.from_file(str(folder / FILE))
    elif (folder / "vocab.txt").is_file():
        said = folder / "tokenizer_config.json"
        says = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else {}
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        vocabulary = {token: number for number, token in enumerate(lines)}
        found = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=100))
        found.normalizer = normalizers.BertNormalizer(
            handle_chinese_chars=says.get("tokenize_chinese_chars", True),
            strip_accents=says.get("strip_accents"),
            lowercase=says.get("do_lower_case", True),
        )
        found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        raise ValueError(f"{folder}: it holds neither {FILE} nor vocab.txt; a text checkpoint needs one of them")
    content = json.loads(found.to_str())
    kinds = [(content[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    if kinds != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
        told = " / ".join(map(str, kinds))
        raise ValueError(f"{folder}: its tokenizer is {told}; only BERT's WordPiece can be served")
    vocabulary = content["model"]["vocab"]
    if vocabulary.get(PAD) != 0 or not {UNKNOWN, START, END} <= vocabulary.keys():
        raise ValueError(f"{folder}: its vocabulary needs {PAD} as id 0, and {UNKNOWN}, {START} and {END}")
    found.pre_tokenizer = _splitter(config)
    return _whole(found.model, found, length)


def size(tokenizer: str) -> int:
    """How many ids it has."""
    return 1 + max(json.loads(tokenizer)["model"]["vocab"].values())


def _letters(word: str) -> list[str]:
    """A word's letters as the smallest pieces: all but the first say that they go on."""
    return [letter if place == 0 else CONTINUES + letter for place, letter in enumerate(word)]


def _without_vocabulary(config: TokenizerConfig) -> Tokenizer:
    """Cleans and splits."""
    from tokenizers import Tokenizer, models, normalizers

    made = Tokenizer(models.WordPiece({UNKNOWN: 0}, unk_token=UNKNOWN))
    steps: list[Any] = [
        normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=config.split_han, strip_accents=False, lowercase=False
        )
    ]
    if config.unicode != "none":
        steps.append({"nfd": normalizers.NFD, "nfkd": normalizers.NFKD}[config.unicode]())
    if config.strip_accents:
        steps.append(normalizers.StripAccents())
    if config.lowercase:
        steps.append(normalizers.Lowercase())
    made.normalizer = normalizers.Sequence(steps)
    made.pre_tokenizer = _splitter(config)
    return made


def _splitter(config: TokenizerConfig) -> Any:
    """Splits at spaces and punctuation, and removes stop words."""
    from tokenizers import Regex, pre_tokenizers

    bert = pre_tokenizers.BertPreTokenizer()
    if not config.stop_words:
        return bert
    stop = Regex("|".join(config.stop_words).join(STOP))
    return pre_tokenizers.Sequence([bert, pre_tokenizers.Split(stop, "removed")])


def _whole(model: Any, rules: Tokenizer, length: int) -> str:
    """Model and rules as one JSON. No token is matched in the text itself: nobody can write [SEP] into it."""
    from tokenizers import Tokenizer, processors

    made = Tokenizer(model)
    made.normalizer, made.pre_tokenizer = rules.normalizer, rules.pre_tokenizer
    made.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(token, made.token_to_id(token)) for token in (START, END)],
    )
    made.enable_truncation(length)
    made.enable_padding(length=length, pad_id=0, pad_token=PAD)
    return str(made.to_str())
