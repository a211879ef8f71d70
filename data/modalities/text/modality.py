"""Texts: a .txt file each, in one folder per class; or many to a file: CSV, TSV, Parquet, JSONL, one a line.

Transform learns the tokenizer from the train split, or takes that of a pretrained model, and passes the texts on as
they are: augmentation acts on texts, and what the model takes, token ids, is made by TensorFlow's own ops, the same
in training and in the served SavedModel. Devices tokenize with the tokenizer.json that is pushed, and get the same ids.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelmill.data import task
from modelmill.data.batch import Batch
from modelmill.data.modalities.text import readers
from modelmill.data.modalities.text.config import TextConfig, TextPolicy
from modelmill.data.modalities.text.facts import TextFacts
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.modality import Described, Modality
from modelmill.data.spec import CONTENT, DECIDES, LABEL, PATH, BadExampleError, Features, Spec, TensorSpec, narrow
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.profiling.draft import Asked, Draft
    from modelmill.data.profiling.fingerprints import Fingerprint

PAIR = "\t"


class Text(Modality[TextConfig]):
    """Texts; the model takes int32 token ids [length]."""

    Config, Policy, Facts = TextConfig, TextPolicy, TextFacts
    PATTERN = "*/*"
    DESCRIBED = ("text", LABEL, "characters")
    INPUT = "text"
    CLIENT = "modelmill.data.modalities.text.client"
    SUFFIXES = (".txt",)
    EXPLAINED = "tokens"

    def columns(self, config: TextConfig) -> dict[str, str]:
        """The further columns, all of them strings."""
        return dict.fromkeys(config.also, "string")

    def stream_pattern(self, config: TextConfig) -> str:
        """Return the field `files`."""
        return config.files

    def stream(self, path: str, name: str, config: TextConfig, split: SplitConfig) -> Iterator[Features]:
        """Yield an example a row, object or line. Raises BadExampleError with the place of the first that is none."""
        decides = split.decides
        wanted = dict.fromkeys([config.text, config.label, *([config.second] if config.second else []), *config.also])
        columns = list(wanted | ({decides: None} if decides else {}))
        for number, cells in readers.read(path, name, columns, config.separator):
            place = f"{name}:{number}"
            text = cells[config.text]
            if config.second:
                text = f"{text.replace(PAIR, ' ')}{PAIR}{cells[config.second]}"
            found: dict[str, Any] = {**_features(place, text, config), PATH: place}
            found[CONTENT] = hashlib.sha256(text.encode()).hexdigest()
            try:
                found[LABEL] = task.look_up(config.task).raw(cells[config.label])
            except ValueError as error:
                raise BadExampleError(f"{place}: {error}") from error
            if found[LABEL] == "":
                raise BadExampleError(f"{place}: the label ({config.label!r}) is empty")
            found |= {column: cells[column] for column in config.also if cells[column]}
            if decides:
                found[DECIDES] = cells[decides]
            yield found

    def examples(self, path: str, contents: bytes, config: TextConfig) -> Iterator[Features]:
        """One text a file."""
        try:
            text = contents.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadExampleError(f"{path}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
        yield _features(path, text, config)

    def preprocess(self, inputs: dict[str, tf.Tensor], config: TextConfig) -> dict[str, tf.Tensor]:
        """text string -> text string [batch]; and the tokenizer, an asset."""
        import tensorflow as tf

        from modelmill.data.modalities.text.tokenizer import tft_analyzer

        texts = tf.reshape(inputs["text"], [-1])
        tft_analyzer.learn(texts, config.tokenizer, config.length, config.checkpoint)
        return {"text": texts}

    def expected(self, config: TextConfig) -> Described:
        """With as many ids as the tokenizer may have, and without it; so pairs are as single texts, too."""
        from modelmill.data.core.fetch import resolve
        from modelmill.data.modalities.text.tokenizer import train as tokenizer_train

        ids = config.tokenizer.vocabulary
        if config.checkpoint:
            ids = tokenizer_train.size(
                tokenizer_train.read(resolve.locate(config.checkpoint), config.tokenizer, config.length)
            )
        return (_ids(config),), TextFacts(vocabulary=ids)

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: TextConfig) -> Described:
        """The tokenizer that Transform has learned."""
        from modelmill.data.modalities.text.tokenizer import tft_analyzer as tokenizer_tft_analyzer

        learned = tokenizer_tft_analyzer.learned(output)
        return (_ids(config),), TextFacts(vocabulary=train.size(learned), tokenizer=learned, pairs=config.pairs)

    def features(self, spec: Spec) -> dict[str, Any]:
        """A text."""
        import tensorflow as tf

        return {"text": tf.io.FixedLenFeature([], tf.string)}

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Transformed features to texts string [batch]."""
        import tensorflow as tf

        return tf.reshape(features["text"], [-1])

    def to_model_inputs(self, drafts: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Texts string [batch] to token ids int32 [batch, length]."""
        from modelmill.data.modalities.text.tokenizer import tf_tokenizer

        facts = narrow(spec.modality_facts, TextFacts)
        return tf_tokenizer.graph(facts.tokenizer)(drafts, facts.pairs)

    def augment(self, batch: Batch, seeds: tf.Tensor, policy: TextPolicy, spec: Spec) -> Batch:
        """Augments texts string [batch]; see data/modalities/text/augment.py."""
        from modelmill.data.modalities.text import augment as text

        name = spec.input.name
        return {**batch, name: text.augment(batch[name], seeds, policy)}

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """A text, a string scalar, to the feature that holds it."""
        return {"text": input}

    def decode(self, content: bytes, config: TextConfig) -> tf.Tensor:
        """A raw text to a string scalar."""
        import tensorflow as tf

        return tf.constant(content)

    def show(self, input: tf.Tensor, config: TextConfig) -> tuple[str, bytes]:
        """The text itself; words that are made unknown would be invisible."""
        from modelmill.data.modalities.text.augment import MASKED

        return "text/plain", bytes(input.numpy()).replace(MASKED.encode(), train.UNKNOWN.encode())

    def filename(self, content: bytes) -> str:
        """A name with the suffix of texts."""
        return "text.txt"

    def client_config(self, config: TextConfig, spec: Spec) -> dict[str, Any]:
        """What the reference client must know besides the tokenizer."""
        return {
            "length": config.length,
            "pairs": config.pairs,
            "tokenizer": train.FILE,
            "text": config.text,
            "second": config.second or "",
            "lines": config.files.endswith(readers.LINES),
        }

    def client_files(self, spec: Spec) -> dict[str, str]:
        """Return the tokenizer."""
        tokenizer = narrow(spec.modality_facts, TextFacts).tokenizer
        return {train.FILE: tokenizer} if tokenizer else {}

    def token_names(self, ids: Sequence[int], spec: Spec) -> list[str]:
        """Return the tokens."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(narrow(spec.modality_facts, TextFacts).tokenizer)
        return [tokenizer.id_to_token(token) or f"id {token}" for token in ids]

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint:
        """Return the words alone, whatever is between them, and the text."""
        from modelmill.data.profiling import fingerprints

        text = example["text"].decode() if isinstance(example["text"], bytes) else str(example["text"])
        return fingerprints.Fingerprint(" ".join(re.findall(r"\w+", text.lower())) or None, text)

    def draft(self, asked: Asked) -> Draft:
        """Draft an experiment; see data/modalities/text/draft.py."""
        from modelmill.data.modalities.text import draft

        return draft.draft(asked)


def _ids(config: TextConfig) -> TensorSpec:
    return TensorSpec(name="tokens", shape=(config.length,), dtype="int32", role="tokens")


def _features(place: str, text: str, config: TextConfig) -> dict[str, Any]:
    if not text.strip():
        raise BadExampleError(f"{place}: there is no text in it")
    if len(text) > config.max_characters:
        raise BadExampleError(
            f"{place}: {len(text):,} characters; data.max_characters allows {config.max_characters:,}"
        )
    if config.pairs and PAIR not in text:
        raise BadExampleError(f"{place}: data.pairs: there is no tab between two texts")
    return {"text": text, "characters": len(text)}
