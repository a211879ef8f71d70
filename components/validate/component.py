"""Data validation: TFX's nodes over TFDV, and a gate of ours, since ExampleValidator never stops a run."""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import json
from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, standard_artifacts
from tfx.types.artifact_utils import decode_split_names

from modelmill.components.artifacts import DataVerdict
from modelmill.components.validate import data_gate, previous_lookup
from modelmill.components.validate.config import ValidateConfig
from modelmill.components.validate.statistics import Executor
from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.splits import SplitConfig

# The gate compares the labels of the splits, all of them.
LABELS = 100_000


class StatisticsGen(tfx.components.StatisticsGen):
    """TFX's component; our executor describes the columns of the CSV, too, which only ExampleGen's output tells."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)


def statistics_gen(examples: BaseChannel, data: DataConfig) -> StatisticsGen:
    """Statistics of the features that the modality wants described, and of the columns of the CSV."""
    described = modality.look_up(data.modality).DESCRIBED
    options = tfdv.StatsOptions(feature_allowlist=list(described), num_rank_histogram_buckets=LABELS)
    return StatisticsGen(examples, stats_options=options).with_id("statistics")


@tfx.dsl.components.component
def CuratedSchema(
    text: tfx.dsl.components.Parameter[str],
    schema: tfx.dsl.components.OutputArtifact[standard_artifacts.Schema],
) -> None:
    """Gives the schema that `text` is. TFX's ImportSchemaGen knows its path only: it would miss every edit."""
    data_gate.write_schema(text, schema.uri)


def schema_gen(statistics: BaseChannel, curated: str | None) -> base_component.BaseComponent:
    """The curated schema, or one inferred from the train split alone: else a label unseen in train would pass."""
    if curated and not Path(curated).is_file():  # a cluster's: nobody here can read it
        return tfx.components.ImportSchemaGen(schema_file=curated).with_id("schema")
    if curated:
        return CuratedSchema(text=data_gate.read_schema(curated)).with_id("schema")
    return tfx.components.SchemaGen(statistics=statistics, exclude_splits=["eval", "test"]).with_id("schema")


def example_validator(statistics: BaseChannel, schema: BaseChannel) -> tfx.components.ExampleValidator:
    """Anomalies of every split against the schema."""
    return tfx.components.ExampleValidator(statistics=statistics, schema=schema).with_id("validator")


def gate_config(
    validate: ValidateConfig,
    data: DataConfig,
    slices: tuple[str, ...],
    metrics: tuple[str, ...] = (),
    split: SplitConfig | None = None,
) -> str:
    """What DataGate takes as `config`, canonical JSON; `metrics` are those that evaluations tell."""
    content = {
        "validate": validate.model_dump(mode="json"),
        "slices": list(slices),
        "input": modality.look_up(data.modality).INPUT,
        "apart": split.column if split else None,
        "classes": task.look_up(data.task).CLASSES,
        "two_classes": any(task.metric(data.task, name).two_classes for name in metrics),
    }
    return json.dumps(content, sort_keys=True)


@tfx.dsl.components.component
def DataGate(
    statistics: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    anomalies: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleAnomalies],
    verdict: tfx.dsl.components.OutputArtifact[DataVerdict],
    config: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    history: tfx.dsl.components.Parameter[str] = "",
    last: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics] = None,
) -> None:
    """Refuses splits with anomalies or without examples, and data too far from the last run's (input `last`).

    `config` is of gate_config, `code` the digest of the source that runs. Where later runs have no metadata store to
    look into, `history` is the folder in which what passed is kept for them; else "".
    """
    data_gate.check(statistics, anomalies, last, json.loads(config), verdict.uri)
    if history:
        previous_lookup.record(
            history, previous_lookup.splits(statistics.uri, decode_split_names(statistics.split_names))
        )
