"""The data gate lets sound data pass and refuses the rest with a table."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import standard_artifacts

from modelmill.components import gates
from modelmill.components.gates import GateRefusedError
from modelmill.components.ingest.component import example_gen
from modelmill.components.transform.component import transform
from modelmill.components.validate.component import DataGate, example_validator, gate_config, schema_gen, statistics_gen
from modelmill.components.validate.config import ValidateConfig
from modelmill.data import modality
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.splits import SplitConfig

image = modality.look_up("image")


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


def test_that_a_text_is_a_new_one_is_no_anomaly(run_node: Any, prepared: SimpleNamespace) -> None:
    found = anomalies_pb2.Anomalies()
    new = anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES
    for feature in ("image", "label"):
        found.anomaly_info[feature].short_description = f"Unexpected values of {feature}"
        found.anomaly_info[feature].reason.add(type=new)
    anomalies = run_node.artifact(
        standard_artifacts.ExampleAnomalies, {"Split-test/SchemaDiff.pb": found.SerializeToString()}
    )
    anomalies.split_names = '["test"]'
    with pytest.raises(GateRefusedError, match="Unexpected values of label") as refused:
        run_node(gate(prepared.statistics.outputs["statistics"], run_node.channel(anomalies)))
    assert "Unexpected values of image" not in str(refused.value)


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


def gate(
    statistics: Any,
    anomalies: Any,
    slices: tuple[str, ...] = ("label",),
    last: Any = None,
    split: SplitConfig | None = None,
    **validate: Any,
) -> Any:
    data = image.Config(path="x", height=1, width=1)
    config = gate_config(ValidateConfig(**validate), data, slices, split=split)
    more = {"last": last} if last else {}
    return DataGate(statistics=statistics, anomalies=anomalies, config=config, code="code", **more)


def rows_of(outputs: Any) -> list[gates.Gate]:
    return gates.read(Path(outputs["verdict"][0].uri, "gates.json"))


def examples(run_node: Any, **splits: tuple[list[int], list[str]]) -> tuple[Any, Any]:
    """Statistics and anomalies of splits that are given by heights and cameras; the label is a or b in turn."""
    found = {
        split: [
            {"image": b"x", "label": "ab"[n % 2], "height": height, "width": 4, "camera": camera}
            for n, (height, camera) in enumerate(zip(heights * 50, cameras * 50, strict=True))
        ]
        for split, (heights, cameras) in splits.items()
    }
    made = run_node.examples(**found)
    made.set_string_custom_property("columns", '{"camera": "string"}')
    statistics = statistics_gen(run_node.channel(made), image.Config(path="x", height=1, width=1))
    run_node(statistics)
    schema = schema_gen(statistics.outputs["statistics"], None)
    run_node(schema)
    validator = example_validator(statistics.outputs["statistics"], schema.outputs["schema"])
    run_node(validator)
    return statistics.outputs["statistics"], validator.outputs["anomalies"]


SAME: tuple[list[int], list[str]] = ([1, 2, 3, 4], ["left", "left", "left", "right"])
OTHER: tuple[list[int], list[str]] = ([1, 4, 4, 4], ["left", "right", "right", "right"])


def test_skew_between_splits_is_told_refused_or_warned_of(run_node: Any) -> None:
    given = examples(run_node, train=SAME, eval=SAME, test=OTHER)
    told = {row.slice: row for row in rows_of(run_node(gate(*given))) if row.metric == "skew"}
    names = ("label", "height", "width", "camera")
    assert set(told) == {f"{split}/{name}" for split in ("eval", "test") for name in names}
    assert told["test/camera"].value == pytest.approx(0.5) and told["eval/camera"].value == 0
    assert told["test/height"].value > 0.1 > told["eval/height"].value
    assert all(row.bound is None and row.passed and not row.warned for row in told.values())
    with pytest.raises(GateRefusedError, match=r"test/camera +skew of 0.500 from train, 0.1 is allowed, most"):
        run_node(gate(*given, skew=0.1))
    warned = [row for row in rows_of(run_node(gate(*given, skew=0.1, on_anomaly="warn"))) if row.warned]
    assert {row.slice for row in warned} == {"test/camera", "test/height"} and all(row.passed for row in warned)


def test_drift_from_the_last_run(run_node: Any) -> None:
    before, _ = examples(run_node, train=SAME, eval=SAME, test=SAME)
    given = examples(run_node, train=OTHER, eval=OTHER, test=OTHER)
    assert not [row for row in rows_of(run_node(gate(*given, drift=0.1))) if row.metric == "drift"]
    told = {row.slice: row.value for row in rows_of(run_node(gate(*given, last=before))) if row.metric == "drift"}
    assert told["train/camera"] == pytest.approx(0.5) and told["train/label"] == 0
    with pytest.raises(GateRefusedError, match=r"train/camera +drift of 0.500 from the last run's data, 0.1"):
        run_node(gate(*given, last=before, drift=0.1))


def test_a_value_that_train_never_had_is_an_anomaly_or_a_warning(run_node: Any) -> None:
    given = examples(run_node, train=SAME, eval=SAME, test=([1, 2], ["left", "top"]))
    with pytest.raises(GateRefusedError, match=r"test/camera +Unexpected string values"):
        run_node(gate(*given))
    (row,) = [row for row in rows_of(run_node(gate(*given, on_anomaly="warn"))) if row.warned]
    assert row.slice == "test/camera"


def test_the_column_that_parts_the_splits_may_have_what_train_has_not(run_node: Any) -> None:
    given = examples(run_node, train=SAME, eval=SAME, test=([1, 2], ["back", "top"]))
    apart = SplitConfig(by="group", column="camera")
    rows = rows_of(run_node(gate(*given, split=apart, skew=1)))
    assert "test/camera" not in {row.slice for row in rows} and all(row.passed for row in rows)


def test_empty_cells_are_an_anomaly_or_a_warning_behind_which_transform_goes_on(
    run_node: Any, image_folder: Path, tmp_path: Path
) -> None:
    """Train has every cell, so its schema wants one of each example; what comes behind reads by that schema."""
    (tmp_path / "data").mkdir()
    rows = ["path,label,part,camera,floor"]
    for number in range(32):
        part = ("train", "eval", "test", "train")[number // 2 % 4]
        for name in ("flat", "rows"):
            shutil.copy(image_folder / name / f"{number}.png", tmp_path / "data" / f"{name}{number}.png")
            cells = "," if part != "train" and number % 2 else f"left,{1 + number % 3}"
            rows.append(f"{name}{number}.png,{name},{part},{cells}")
    (tmp_path / "data" / "labels.csv").write_text("\n".join(rows))
    data = image.Config(path=str(tmp_path / "data"), csv="labels.csv", height=12, width=12, channels=1)
    ingest = example_gen(str(data.path), data, SplitConfig(by="column", column="part"), "code")
    statistics = statistics_gen(ingest.outputs["examples"], data)
    schema = schema_gen(statistics.outputs["statistics"], None)
    validator = example_validator(statistics.outputs["statistics"], schema.outputs["schema"])
    for node in (ingest, statistics, schema, validator):
        run_node(node)
    given = statistics.outputs["statistics"], validator.outputs["anomalies"]
    with pytest.raises(GateRefusedError, match=r"eval/camera +.*present in fewer examples than expected"):
        run_node(gate(*given, slices=("label", "camera")))
    told = rows_of(run_node(gate(*given, slices=("label", "camera"), on_anomaly="warn")))
    assert {row.slice for row in told if row.warned} == {
        f"{split}/{name}" for split in ("eval", "test") for name in ("camera", "floor")
    }
    (transformed,) = run_node(transform(ingest.outputs["examples"], schema.outputs["schema"], data, "code"))[
        "transformed_examples"
    ]
    assert [path.name for path in Path(transformed.uri).iterdir() if any(path.iterdir())]


def test_a_single_class_is_refused_whatever_is_warned_of(run_node: Any, prepared: SimpleNamespace) -> None:
    one = [{"image": b"x", "label": "a", "height": 1, "width": 1}]
    made = run_node.examples(train=one, eval=one, test=one)
    statistics = statistics_gen(run_node.channel(made), image.Config(path="x", height=1, width=1))
    run_node(statistics)
    with pytest.raises(GateRefusedError, match="every example has the label 'a'; there is nothing to tell apart"):
        run_node(gate(statistics.outputs["statistics"], prepared.validator.outputs["anomalies"], on_anomaly="warn"))


def test_slices_name_features_of_few_values(run_node: Any, prepared: SimpleNamespace) -> None:
    given = prepared.statistics.outputs["statistics"], prepared.validator.outputs["anomalies"]
    with pytest.raises(GateRefusedError, match="there is no feature 'camera'; there are"):
        run_node(gate(*given, slices=("label", "camera")))


def test_a_curated_schema_is_given_as_it_is_and_every_edit_counts(run_node: Any, tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('# mine\nfeature { name: "label" type: BYTES }\n')
    before = schema_gen(None, str(path))
    (schema,) = run_node(before)["schema"]
    assert Path(schema.uri, "schema.pbtxt").read_text() == path.read_text()
    path.write_text('feature { name: "label" type: INT }\n')
    assert schema_gen(None, str(path)).exec_properties != before.exec_properties
    path.write_text("feature { nme: 3 }")
    with pytest.raises(BadDataError, match=r"schema\.pbtxt is no TFDV schema in text form .*nme"):
        schema_gen(None, str(path))
