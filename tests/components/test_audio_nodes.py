"""Sounds through the nodes: what is trained on, what is served and what the client hands over are the same samples."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from modelmill.components import artifacts
from modelmill.components.models.export import model_store
from modelmill.data import modality
from modelmill.data.modalities.audio import client
from tests.components.nodes import trained
from tests.components.pushed import assert_same, predict, push, served

audio = modality.look_up("audio")

PITCHES = {"low": 300.0, "middle": 700.0, "high": 1500.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 tones with noise of each of three pitches: three formats, three rates, some stereo, of any length."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("tones")
    for label, pitch in PITCHES.items():
        (folder / label).mkdir()
        for number in range(20):
            rate, kind = [(4000, "wav"), (11025, "flac"), (8000, "ogg")][number % 3]
            time = np.arange(int(rate * random.uniform(0.2, 0.7))) / rate
            sound = 0.3 * np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * time)
            sound += random.normal(0, 0.05, len(time))
            stereo = np.stack([sound, sound / 2], axis=1) if number % 4 == 0 else sound
            soundfile.write(folder / label / f"{number}.{kind}", stereo, rate)
    return folder


@pytest.fixture(scope="module")
def chain(folder: Path, node_runner: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Ingest to the Trainer."""
    from modelmill.components.models.families import conv1d
    from modelmill.components.models.training.config import OptimizerConfig
    from modelmill.components.train.config import TrainConfig

    return trained(
        node_runner,
        folder,
        audio.Config(path=str(folder), sample_rate=4000, seconds=0.4),
        audio.Policy(gain=3),
        conv1d.Conv1dConfig(filters=(8, 8), kernel=3),
        TrainConfig(epochs=12, batch=8, optimizer=OptimizerConfig(learning_rate=0.02)),
        tmp_path_factory.mktemp("checkpoints"),
    )


def records(artifact: Any, split: str) -> list[bytes]:
    files = [str(path) for path in Path(artifact.uri, f"Split-{split}").iterdir()]
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def test_training_serving_and_the_client_hear_the_same_samples(chain: SimpleNamespace, folder: Path) -> None:
    (raw,) = chain.ingest.outputs["examples"].get()
    (transformed,) = chain.transform.outputs["transformed_examples"].get()
    (model,) = chain.train.outputs["model"].get()
    stored, _ = model_store.load(Path(artifacts.rebuild(model.uri)))
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures["preprocess"]
    trained, _ = modality.parse(tf.constant(records(transformed, "train")), stored.spec)
    trained_on = {one.tobytes() for one in trained.numpy()}
    assert len(trained_on) == len(records(raw, "train")) > 20
    for record in records(raw, "train"):
        features = tf.train.Example.FromString(record).features.feature
        inputs = served(audio=tf.constant([features["audio"].bytes_list.value[0]]))["inputs"].numpy()[0]
        path = folder / features["path"].bytes_list.value[0].decode()
        np.testing.assert_array_equal(inputs, client.preprocess(path, **audio.client_config(chain.config, stored.spec)))
        assert inputs.tobytes() in trained_on


def test_it_learns_and_the_served_model_takes_raw_files(chain: SimpleNamespace) -> None:
    (raw,), (model,) = chain.ingest.outputs["examples"].get(), chain.train.outputs["model"].get()
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures["serving_default"]
    right = []
    for split in ("train", "eval", "test"):
        for record in records(raw, split):
            features = tf.train.Example.FromString(record).features.feature
            answer = served(audio=tf.constant([features["audio"].bytes_list.value[0]]))
            right.append(answer["label"].numpy()[0] == features["label"].bytes_list.value[0])
    assert np.mean(right) > 0.8


def test_the_pushed_client_answers_to_any_file_as_the_served_model_to_its_wav(
    chain: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    """The real client and the real flatbuffer, with the spectrum in it, on FLAC, OGG and WAV files of any rate."""
    (raw,), (model,) = chain.ingest.outputs["examples"].get(), chain.train.outputs["model"].get()
    pushed = push(model.uri, chain.config, tmp_path)
    found = [tf.train.Example.FromString(record).features.feature for record in records(raw, "test")]
    files = [folder / features["path"].bytes_list.value[0].decode() for features in found]
    assert {file.suffix for file in files} == {".wav", ".flac", ".ogg"}
    answers = served(pushed, chain.config, [features["audio"].bytes_list.value[0] for features in found])
    assert_same(predict(pushed, *files), answers, pushed, chain.config)
