"""modelmill from Python: what it offers, and one part of a chain that is run with a node of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import modelmill
from modelmill.pipeline.experiment.experiment import ExperimentError

OWN = Path(__file__).parents[2] / "docs" / "examples" / "own"
DATA = ["data: {modality: image, height: 12, width: 12, channels: 1, path: %s}", "model: {family: cnn}"]


@pytest.fixture
def experiment(tmp_path: Path, image_folder: Path) -> Path:
    path = tmp_path / "stripes.yaml"
    path.write_text("\n".join(DATA) % image_folder)
    return path


def test_to_import_it_is_cheap() -> None:
    code = (
        "import sys, modelmill; from modelmill import load_experiment, build_pipeline, run;"
        "found = load_experiment('digits-cnn', {'train.epochs': 3, 'evaluate.slices': ['label']});"
        "assert (found.train.epochs, found.evaluate.slices) == (3, ('label',));"
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match=r"it offers .*Run, RunError, ServingBundle, build_pipeline"):
        _ = modelmill.runn


def test_what_is_wrong_is_told(experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"train.epocs: unknown key 'epocs'.*did you mean 'epochs'"):
        modelmill.load_experiment(experiment, {"train.epocs": 3})
    with pytest.raises(ValueError, match="--to: unknown node 'trian'"):
        modelmill.run(experiment, tmp_path, last="trian")
    assert not (tmp_path / "stripes").exists()


def test_a_part_of_a_chain_with_a_node_of_ones_own(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(OWN)
    from nodes import count_labels

    def more(nodes):
        return [count_labels(examples=nodes["ingest"].outputs["examples"]).with_id("count")]

    loaded = modelmill.load_experiment(experiment)
    built = modelmill.build_pipeline(loaded, tmp_path, more)
    assert {"ingest", "push", "count"} <= {node.id for node in built.components}
    found = modelmill.run(loaded, tmp_path, last="count", more=more)
    assert isinstance(found, modelmill.Run) and found.status == "partial" and found.pushed is None
    states = {node.id: node.state for node in found.nodes}
    assert (states["ingest"], states["count"], states["train"]) == ("done", "done", "skipped")
    counts = json.loads((found.artifact("count", "counts") / "labels.json").read_text())
    assert sum(sum(labels.values()) for labels in counts.values()) == 180
    with pytest.raises(KeyError, match="has no artifact train, model; it has count, counts; ingest, examples"):
        found.artifact("train", "model")
    assert "ingest: done" in capsys.readouterr().out
    assert (
        f"modelmill run {found.folder}/experiment.yaml"
        in json.loads((found.folder / "run.json").read_text())["command"]
    )
    again = modelmill.run(loaded, tmp_path, last="count", more=more, quiet=True)
    assert {node.state for node in again.nodes} == {"cached", "skipped"}
    assert not capsys.readouterr().out


def test_a_failure_is_raised_with_what_there_is_of_the_run(
    experiment: Path, tmp_path: Path, image_folder: Path
) -> None:
    loaded = modelmill.load_experiment(experiment, {"split": {"by": "folder"}})
    with pytest.raises(modelmill.RunError, match=r"split.by: folder.*log: .*log.txt") as caught:
        modelmill.run(loaded, tmp_path, last="ingest", quiet=True)
    assert caught.value.run.status == "failed" and caught.value.run.folder.is_dir()
