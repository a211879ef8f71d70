"""The whole chain on texts, to the push: what is trained on, what is served and what a device has are the same ids."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer

import modelmill
from modelmill.components.models.export import model_store
from modelmill.components.models.training.dataset import Examples
from modelmill.data.modalities.text import client
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.modalities.text.tokenizer.train import TokenizerConfig

pytestmark = pytest.mark.slow
LENGTH, SIZE = 32, 300


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of messages-transformer, quickly."""
    quick = {
        **{"data.length": LENGTH, "data.tokenizer.vocabulary": SIZE, "train.epochs": 6, "compress.max_drop": 0.1},
        **{"compress.margin": 0.1, "compress.chains": [["dynamic_range"]], "augment.deletion": 0.05},
    }
    experiment = modelmill.load_experiment("messages-transformer", quick)
    run = modelmill.run(experiment, tmp_path_factory.mktemp("runs"), quiet=True)
    assert run.status == "pushed", run
    return run.folder


def raw(folder: Path, split: str) -> list[Any]:
    files = [str(path) for path in (folder / "links" / "ingest" / "examples" / f"Split-{split}").iterdir()]
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def texts(folder: Path, split: str) -> list[bytes]:
    return [features["text"].bytes_list.value[0] for features in raw(folder, split)]


def test_training_serving_and_devices_have_the_same_ids(pushed: Path) -> None:
    stored, _ = model_store.load(pushed / "links" / "train" / "model" / "modelmill")
    files = [str(path) for path in (pushed / "links/transform/transformed_examples/Split-train").iterdir()]
    trained_on = {one.tobytes() for one, _ in Examples(files, stored.spec, 16).raw().as_numpy_iterator()}
    served = tf.saved_model.load(str(newest(pushed))).signatures["preprocess"]
    inputs = served(text=tf.constant(texts(pushed, "train")))["inputs"].numpy()
    assert {one.tobytes() for one in inputs} == trained_on and len(trained_on) > 250
    library = Tokenizer.from_file(str(newest(pushed) / train.FILE))
    found = [client.preprocess(library, one.decode(), False) for one in texts(pushed, "train")]
    np.testing.assert_array_equal(inputs, found)


def test_the_vocabulary_is_of_the_train_split_alone(pushed: Path) -> None:
    config = TokenizerConfig(vocabulary=SIZE)
    counts = train.words([one.decode() for one in texts(pushed, "train")], config)
    again = train.train({word: count for word, count in counts.items() if count > 1}, config, LENGTH)
    assert (newest(pushed) / train.FILE).read_text() == again


def test_the_pushed_client_answers_to_a_text(pushed: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Hello, I was charged twice for it. The refund has not reached my account!\n")
    command = [sys.executable, str(newest(pushed) / "client.py"), str(tmp_path / "text.txt")]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert answer["label"] == "payment" and answer["probabilities"]["payment"] > 0.5
    (tmp_path / "text.txt").write_bytes(b"\xff\xfe")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no text in UTF-8" in done.stderr


def newest(folder: Path) -> Path:
    """What was pushed."""
    return folder.parent / "pushed" / "1"
