"""The nodes from ingest to the Trainer, one after the other, for data that a test has made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def trained(
    run: Callable[[Any], Any], folder: Path, config: Any, augment: Any, model: Any, train: Any, checkpoints: Path
) -> SimpleNamespace:
    """The components ingest, transform and train behind their runs, and `config`, as it was given."""
    from tfx.components import SchemaGen

    from modelmill.components.ingest.component import example_gen
    from modelmill.components.train.component import trainer
    from modelmill.components.transform.component import transform
    from modelmill.components.validate.component import statistics_gen
    from modelmill.data.splits import SplitConfig

    done = SimpleNamespace(config=config)
    done.ingest = example_gen(str(folder), config, SplitConfig(), "code")
    run(done.ingest)
    statistics = statistics_gen(done.ingest.outputs["examples"], config)
    run(statistics)
    schema = SchemaGen(statistics.outputs["statistics"], exclude_splits=["eval", "test"])
    run(schema)
    done.transform = transform(done.ingest.outputs["examples"], schema.outputs["schema"], config, "code")
    run(done.transform)
    done.train = trainer(
        done.transform.outputs["transformed_examples"],
        done.transform.outputs["transform_graph"],
        schema.outputs["schema"],
        data=config,
        augment=augment,
        model=model,
        train=train,
        seed=0,
        checkpoints=str(checkpoints),
        code="code",
    )
    run(done.train)
    return done
