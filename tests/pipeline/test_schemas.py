"""The JSON Schema of experiments agrees with what is accepted; the schema of data is written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmill.pipeline.experiment import experiment, json_schema, yaml_tree
from modelmill.pipeline.experiment.experiment import SHIPPED, ExperimentError
from modelmill.pipeline.runners.local import data_schema
from modelmill.pipeline.runners.local.run import BAD_INPUT

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    found = json_schema.experiment_schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_experiment_fits(validator: Any, path: Path) -> None:
    validator.validate(yaml.safe_load(path.read_text()))


WRONG = [
    "data.heigth=8",
    "data.height=0",
    "model.filters=3",
    "train.epochs=0",
    "compress.chains=[[prnue]]",
    "compress.chains=[[{prune: {sparsty: 0.5}}]]",
    "validate.skew=2",
    "split.by=foldr",
    "data.task=anomaly",
    "data.task={anomaly: {normal: 0}}",
    "data.task={regression: {normal: [a]}}",
    "tarin={}",
]


@pytest.mark.parametrize("override", WRONG)
def test_what_is_refused_does_not_fit(validator: Any, override: str) -> None:
    with pytest.raises(ExperimentError):
        experiment.load("digits-cnn", [override])
    content = yaml.safe_load((SHIPPED / "digits-cnn.yaml").read_text())
    yaml_tree.override(content, [override], "digits-cnn")
    assert list(validator.iter_errors(content))


def write(source: Path, *overrides: str, force: bool = False) -> int:
    return data_schema.write_data_schema(str(source), None, force, list(overrides), "image", source.parent / "runs")


def test_the_schema_of_a_folder_is_written_once_and_kept(
    image_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for label in image_folder.iterdir():
        (folder / label.name).symlink_to(label)
    assert write(folder) == 0
    path = folder / "schema.pbtxt"
    text = path.read_text()
    assert text.startswith("# What modelmill found") and 'name: "label"' in text and '"columns"' in text
    path.write_text(text + "# mine\n")
    with pytest.raises(FileExistsError, match="--force replaces it"):
        write(folder)
    assert path.read_text().endswith("# mine\n")
    assert write(folder, force=True) == 0
    assert path.read_text() == text


def test_a_project_is_no_folder_of_data(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text("name: [")
    with pytest.raises(ExperimentError):  # it is read as an experiment
        write(tmp_path)


def test_the_schema_of_bad_data_is_not_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.png").write_bytes(b"no image")
    assert write(folder) == BAD_INPUT
    assert "a/1.png: no image that can be decoded" in capfd.readouterr().out
    assert not (folder / "schema.pbtxt").exists()
