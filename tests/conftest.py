"""What several tests share: small real images in class folders, and the chain's first nodes run on them once."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CLASSES = ("flat", "rows", "columns")


def stripes(label: str, number: int) -> Any:
    """A 12 x 12 grey image of its class, with noise of its own."""
    import numpy as np

    noise = np.random.default_rng([CLASSES.index(label), number])
    image = np.full((12, 12), 100.0)
    if label == "rows":
        image[number % 2 :: 2] += 100
    if label == "columns":
        image[:, number % 2 :: 2] += 100
    return np.clip(image + noise.normal(0, 15, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Gives a test that sets no seed the same weights and draws whatever ran before."""
    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].utils.set_random_seed(1)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of each of three classes, PNG, one folder per class."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("images")
    for label in CLASSES:
        (folder / label).mkdir()
        for number in range(60):
            Image.fromarray(stripes(label, number)).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def image_config(image_folder: Path) -> Any:
    """The `data` section for `image_folder`."""
    from modelmill.data import modality

    image = modality.look_up("image")

    return image.Config(path=str(image_folder), height=12, width=12, channels=1)


@pytest.fixture(scope="session")
def node_runner(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs nodes whose artifacts several tests use."""
    from modelmill.components.testing.pytest_plugin import NodeRunner

    return NodeRunner(tmp_path_factory.mktemp("nodes"))


@pytest.fixture(scope="session")
def prepared(node_runner: Any, image_folder: Path, image_config: Any) -> SimpleNamespace:
    """The components ingest, statistics, schema, validator and transform, run on `image_folder`."""
    from tfx.components import ExampleValidator, SchemaGen

    from modelmill.components.ingest.component import example_gen
    from modelmill.components.transform.component import transform
    from modelmill.components.validate.component import statistics_gen
    from modelmill.data.splits import SplitConfig

    done = SimpleNamespace()
    done.ingest = example_gen(str(image_folder), image_config, SplitConfig(), "code")
    node_runner(done.ingest)
    done.statistics = statistics_gen(done.ingest.outputs["examples"], image_config)
    node_runner(done.statistics)
    done.schema = SchemaGen(done.statistics.outputs["statistics"], exclude_splits=["eval", "test"])
    node_runner(done.schema)
    done.validator = ExampleValidator(done.statistics.outputs["statistics"], done.schema.outputs["schema"])
    node_runner(done.validator)
    done.transform = transform(done.ingest.outputs["examples"], done.schema.outputs["schema"], image_config, "code")
    node_runner(done.transform)
    return done


@pytest.fixture(scope="session")
def trained(
    node_runner: Any, prepared: SimpleNamespace, image_config: Any, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The Trainer component, run on `prepared`: a small CNN that has learned its three classes."""
    from modelmill.components.models.families import cnn
    from modelmill.components.models.training.config import OptimizerConfig
    from modelmill.components.train.component import trainer
    from modelmill.components.train.config import TrainConfig
    from modelmill.data import modality

    image = modality.look_up("image")

    component = trainer(
        prepared.transform.outputs["transformed_examples"],
        prepared.transform.outputs["transform_graph"],
        prepared.schema.outputs["schema"],
        data=image_config,
        augment=image.Policy(brightness=0.1, contrast=0.1),
        model=cnn.CnnConfig(filters=(8,), dense=(16,)),
        train=TrainConfig(epochs=12, batch=16, optimizer=OptimizerConfig(learning_rate=0.01)),
        seed=0,
        checkpoints=str(tmp_path_factory.mktemp("checkpoints")),
        code="code",
    )
    node_runner(component)
    return component
