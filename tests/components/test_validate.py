"""The data gate lets sound data pass and refuses the rest with a table."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import standard_artifacts

from components import gates
from components.gates import GateRefusedError
from components.validate.component import DataGate


def test_sound_data_passes(run_node: Any, prepared: SimpleNamespace) -> None:
    outputs = run_node(gate(prepared.statistics.outputs["statistics"], prepared.validator.outputs["anomalies"]))
    rows = gates.read(Path(outputs["verdict"][0].uri, "gates.json"))
    assert {row.slice for row in rows if row.metric == "examples"} == {"train", "eval", "test"}
    assert all(row.passed for row in rows)


def test_an_anomaly_is_refused_with_split_feature_and_reason(run_node: Any, prepared: SimpleNamespace) -> None:
    found = anomalies_pb2.Anomalies()
    found.anomaly_info["height"].short_description = "Column dropped"
    found.anomaly_info["height"].description = "Column is completely missing"
    anomalies = run_node.artifact(
        standard_artifacts.ExampleAnomalies,
        {"Split-train/SchemaDiff.pb": b"", "Split-test/SchemaDiff.pb": found.SerializeToString()},
    )
    anomalies.split_names = '["train", "test"]'
    with pytest.raises(GateRefusedError, match=r"test/height\s+Column dropped: Column is completely missing"):
        run_node(gate(prepared.statistics.outputs["statistics"], run_node.channel(anomalies)))


def changed(run_node: Any, prepared: SimpleNamespace, tmp_path: Path, split: str, change: Any) -> Any:
    (before,) = prepared.statistics.outputs["statistics"].get()
    shutil.copytree(before.uri, tmp_path / "statistics")
    path = tmp_path / "statistics" / f"Split-{split}" / "FeatureStats.pb"
    found = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    change(found.datasets[0])
    path.write_bytes(found.SerializeToString())
    artifact = run_node.artifact(standard_artifacts.ExampleStatistics, tmp_path / "statistics")
    artifact.split_names = before.split_names
    return gate(run_node.channel(artifact), prepared.validator.outputs["anomalies"])


def test_a_label_that_train_never_saw_is_refused_even_if_it_reads_as_a_number(
    run_node: Any, prepared: SimpleNamespace, tmp_path: Path
) -> None:
    def change(dataset: Any) -> None:
        (label,) = (feature for feature in dataset.features if feature.path.step[0] == "label")
        label.string_stats.rank_histogram.buckets.add(label="10", sample_count=1)

    with pytest.raises(GateRefusedError, match="labels that the train split never has: 10"):
        run_node(changed(run_node, prepared, tmp_path, "test", change))


def test_a_split_without_examples_is_refused(run_node: Any, prepared: SimpleNamespace, tmp_path: Path) -> None:
    def change(dataset: Any) -> None:
        dataset.Clear()

    with pytest.raises(GateRefusedError, match=r"eval\s+no examples"):
        run_node(changed(run_node, prepared, tmp_path, "eval", change))


def gate(statistics: Any, anomalies: Any) -> Any:
    return DataGate(statistics=statistics, anomalies=anomalies, code="code")
