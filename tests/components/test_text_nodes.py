"""Texts, one a line, through the nodes: the pushed client's tokens and answers are those of the served strings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.data import modality
from modelmill.data.spec import LABEL, PATH
from tests.components.nodes import trained
from tests.components.pushed import assert_same, predict, push, served

text = modality.look_up("text")

SAID = {"praise": ("good", "great", "lovely"), "blame": ("bad", "awful", "poor")}
THINGS = ("film", "book", "meal", "room", "café", "trip", "书", "house")


@pytest.fixture(scope="module")
def chain(node_runner: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Ingest to the Trainer, on two files of 60 lines, with synonyms of a lexicon."""
    from modelmill.components.models.families import transformer_encoder
    from modelmill.components.models.training.config import OptimizerConfig
    from modelmill.components.train.config import TrainConfig

    folder, random = tmp_path_factory.mktemp("lines"), np.random.default_rng(0)
    for label, words in SAID.items():
        lines = [
            f"The {random.choice(THINGS)} was {random.choice(words)}, {' '.join(random.choice(THINGS, 2))} {number}!"
            for number in range(60)
        ]
        (folder / f"{label}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lexicon = tmp_path_factory.mktemp("lexicon") / "words.txt"
    lexicon.write_text("film,movie,picture\nbook\tnovel\ngood,fine\nbad,mean\n", encoding="utf-8")
    return trained(
        node_runner,
        folder,
        text.Config(path=str(folder), files="*.txt", length=16, tokenizer={"vocabulary": 120}),
        text.Policy(synonyms=0.3, lexicon=str(lexicon)),
        transformer_encoder.TransformerEncoderConfig(width=16, depth=1, heads=2, hidden=16),
        TrainConfig(epochs=5, batch=8, optimizer=OptimizerConfig(learning_rate=0.01)),
        tmp_path_factory.mktemp("checkpoints"),
    )


@pytest.fixture(scope="module")
def pushed(chain: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of its model."""
    (model,) = chain.train.outputs["model"].get()
    return push(model.uri, chain.config, tmp_path_factory.mktemp("pushed"))


def raw(chain: SimpleNamespace, split: str) -> list[Any]:
    """The raw examples of a split."""
    (artifact,) = chain.ingest.outputs["examples"].get()
    files = [str(path) for path in Path(artifact.uri, f"Split-{split}").iterdir()]
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def test_each_line_is_an_example_of_the_class_that_names_its_file(chain: SimpleNamespace) -> None:
    found = [features for split in ("train", "eval", "test") for features in raw(chain, split)]
    assert len(found) == 120
    for features in found:
        label = features[LABEL].bytes_list.value[0].decode()
        assert features[PATH].bytes_list.value[0].decode().startswith(f"{label}.txt:")
        assert any(word in features["text"].bytes_list.value[0].decode() for word in SAID[label])


def test_the_pushed_client_answers_as_the_served_model_and_both_have_learned(
    chain: SimpleNamespace, pushed: Path, tmp_path: Path
) -> None:
    """The real client and the real flatbuffer, each in its process; also texts that nobody has learned from."""
    examples = raw(chain, "test")
    contents = [features["text"].bytes_list.value[0] for features in examples]
    odd = ["GOOD\r\nfilm\n", "ﬁne — 书书 naïve\u00a0café 🙂", "bad " * 40, "\ufeffan awful, awful book"]
    # Not .txt: of those each line is a text, as in training.
    files = [tmp_path / f"{number}.text" for number in range(len(contents) + len(odd))]
    for file, content in zip(files, [*contents, *(one.encode() for one in odd)], strict=True):
        file.write_bytes(content)
    told = predict(pushed, *files)
    assert_same(told, served(pushed, chain.config, [file.read_bytes() for file in files]), pushed, chain.config)
    labels = [features[LABEL].bytes_list.value[0].decode() for features in examples]
    right = [one["label"] == label for one, label in zip(told, labels, strict=False)]
    assert np.mean(right) > 0.8
