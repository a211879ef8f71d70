"""Texts through the nodes: what is trained on, what is served and what the client hands over are the same ids."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer

from components import artifacts
from components.models import store
from components.models.input import Examples
from data import sample, tokenizer
from data.clients import text as client
from data.modalities import text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.materialize("messages", tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def chain(folder: Path, node_runner: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Ingest to the Trainer."""
    from tfx.components import SchemaGen

    from components.ingest.component import example_gen
    from components.models.families import transformer_encoder
    from components.models.learning import OptimizerConfig
    from components.train.component import trainer
    from components.train.config import TrainConfig
    from components.transform.component import transform
    from components.validate.component import statistics_gen
    from data.config import SplitConfig

    done = SimpleNamespace(config=text.Config(path=str(folder), length=32, tokenizer={"vocabulary": 300}))
    done.ingest = example_gen(str(folder), done.config, SplitConfig(), "code")
    node_runner(done.ingest)
    statistics = statistics_gen(done.ingest.outputs["examples"], done.config)
    node_runner(statistics)
    schema = SchemaGen(statistics.outputs["statistics"], exclude_splits=["eval", "test"])
    node_runner(schema)
    done.transform = transform(done.ingest.outputs["examples"], schema.outputs["schema"], done.config, "code")
    node_runner(done.transform)
    done.train = trainer(
        done.transform.outputs["transformed_examples"],
        done.transform.outputs["transform_graph"],
        schema.outputs["schema"],
        data=done.config,
        augment=text.Policy(),
        model=transformer_encoder.Config(width=16, depth=1, heads=2, hidden=32),
        train=TrainConfig(epochs=5, batch=16, optimizer=OptimizerConfig(learning_rate=0.01)),
        seed=0,
        checkpoints=str(tmp_path_factory.mktemp("checkpoints")),
        code="code",
    )
    node_runner(done.train)
    return done


def raw(chain: SimpleNamespace, split: str) -> list[Any]:
    (artifact,) = chain.ingest.outputs["examples"].get()
    files = [str(path) for path in Path(artifact.uri, f"Split-{split}").iterdir()]
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def stored(chain: SimpleNamespace) -> Any:
    (model,) = chain.train.outputs["model"].get()
    return store.load(Path(artifacts.rebuild(model.uri)))[0]


def test_training_serving_and_the_client_have_the_same_ids(chain: SimpleNamespace) -> None:
    (transformed,), (model,) = chain.transform.outputs["transformed_examples"].get(), chain.train.outputs["model"].get()
    spec = stored(chain).spec
    files = [str(path) for path in Path(transformed.uri, "Split-train").iterdir()]
    trained_on = {one.tobytes() for one, _ in Examples(files, spec, 16).raw().as_numpy_iterator()}
    texts = [features["text"].bytes_list.value[0] for features in raw(chain, "train")]
    assert len(trained_on) > 300
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures["preprocess"]
    inputs = served(text=tf.constant(texts))["inputs"].numpy()
    assert {one.tobytes() for one in inputs} == trained_on
    library = Tokenizer.from_str(spec.tokenizer)
    np.testing.assert_array_equal(inputs, [client.preprocess(library, one.decode(), False) for one in texts])


def test_the_vocabulary_is_of_the_train_split_alone_and_the_same_each_time(chain: SimpleNamespace) -> None:
    spec = stored(chain).spec
    texts = [features["text"].bytes_list.value[0].decode() for features in raw(chain, "train")]
    counts = tokenizer.words(texts, chain.config.tokenizer)
    again = tokenizer.train({word: n for word, n in counts.items() if n > 1}, chain.config.tokenizer, 32)
    assert spec.tokenizer == again and spec.vocabulary == tokenizer.size(again) <= 300


def test_it_learns_and_the_served_model_takes_texts(chain: SimpleNamespace) -> None:
    (model,) = chain.train.outputs["model"].get()
    served = tf.saved_model.load(artifacts.serving(model.uri)).signatures["serving_default"]
    found = [*raw(chain, "eval"), *raw(chain, "test")]
    answers = served(text=tf.constant([features["text"].bytes_list.value[0] for features in found]))["label"].numpy()
    wanted = [features["label"].bytes_list.value[0] for features in found]
    assert np.mean(answers == wanted) > 0.9
