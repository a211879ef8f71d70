"""A modality of one's own is found by its files, drafted, fingerprinted and shown: nothing else names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.data.profiling import profile
from modelmill.data.profiling.draft import Asked
from modelmill.data.splits import SplitConfig
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.preflight import new_project
from modelmill.pipeline.report.examples import preview, render

LEVELS = '''
"""Four levels, 0 to 255, a file."""
from __future__ import annotations

import json
from typing import Literal

from modelmill.data.config import DataConfig
from modelmill.data.modality import Modality
from modelmill.data.policy import Policy
from modelmill.data.profiling import class_folders
from modelmill.data.profiling.fingerprints import Fingerprint
from modelmill.data.spec import LABEL, BadExampleError, ModalityFacts, TensorSpec


class LevelsConfig(DataConfig):
    """How many."""

    modality: Literal["levels"] = "levels"
    count: int


class LevelsPolicy(Policy):
    """Levels rise."""

    rise: int = 0


class Levels(Modality[LevelsConfig]):
    """Files of bytes; the model takes uint8 [count]."""

    Config, Policy = LevelsConfig, LevelsPolicy
    PATTERN, SUFFIXES = "*/*.lvl", (".lvl",)
    DESCRIBED, INPUT = ("levels", LABEL), "levels"
    CLIENT = "modelmill.data.modalities.levels.client"
    PLACEHOLDERS = {"count": 4}

    def examples(self, path, contents, config):
        if len(contents) != config.count:
            raise BadExampleError(f"{path}: {len(contents)} levels; data.count wants {config.count}")
        yield {"levels": contents, "loudest": max(contents)}

    def preprocess(self, inputs, config):
        return {"levels": inputs["levels"]}

    def describe(self, output, example, config):
        return (TensorSpec(name="levels", shape=(config.count,), dtype="uint8"),), ModalityFacts()

    def features(self, spec):
        import tensorflow as tf

        return {"levels": tf.io.FixedLenFeature([], tf.string)}

    def from_transformed(self, features, spec):
        import tensorflow as tf

        return tf.io.decode_raw(features["levels"], tf.uint8)

    def augment(self, batch, seeds, policy, spec):
        return {**batch, "levels": batch["levels"] + policy.rise}

    def encode(self, input):
        return {"levels": bytes(input.numpy())}

    def decode(self, content, config):
        import tensorflow as tf

        return tf.io.decode_raw(content, tf.uint8)

    def show(self, input, config):
        return "text/plain", " ".join(map(str, input.numpy().tolist())).encode()

    def show_raw(self, example, config):
        return "application/json", json.dumps(dict(enumerate(example["levels"]))).encode()

    def filename(self, content):
        return "levels.lvl"

    def client_config(self, config, spec):
        return {"count": config.count}

    def fingerprint(self, example):
        return Fingerprint(str([level // 16 for level in example["levels"]]), str(example["levels"]))

    def draft(self, asked):
        kinds = {"levels": "bytes", "loudest": "int"}
        writer = class_folders.Writer("mlp", "files .lvl", kinds, self._data, "augment:\\n  rise: 9", lambda *_: "")
        return class_folders.draft(asked, writer)

    def _data(self, found):
        return f"  count: 4    # the loudest is {max(found.numbers['loudest'])}"
'''


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A folder of plug-ins with the modality `levels`, in use."""
    folder = tmp_path / "own"
    (folder / "modalities" / "levels").mkdir(parents=True)
    (folder / "modalities" / "levels" / "__init__.py").touch()
    (folder / "modalities" / "levels" / "modality.py").write_text(LEVELS)
    plugins.use(folder)
    yield folder
    plugins.forget(folder)


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    """Two classes; one file of each is nearly the same."""
    for label, contents in {
        "low": [b"\x01\x02\x03\x04", b"\x20\x30\x20\x30"],
        "high": [b"\xf0" * 4, b"\x02" * 4],
    }.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for number, content in enumerate(contents):
            (tmp_path / "data" / label / f"{number}.lvl").write_bytes(content)
    return tmp_path / "data"


def test_new_finds_it_by_its_files_and_writes_what_it_drafts(own: Path, levels: Path, tmp_path: Path) -> None:
    assert new_project.guess(levels) == "levels"
    path, _ = new_project.write(tmp_path / "project", Asked("levels", levels))
    text = path.read_text()
    assert "  modality: levels\n" in text and "  count: 4    # the loudest is 240\n" in text and "  rise: 9\n" in text
    assert 'name: "loudest"' in (tmp_path / "project" / "schema.pbtxt").read_text()


def test_what_looks_the_same_in_two_classes_is_found_by_its_fingerprint(own: Path, levels: Path) -> None:
    config = modality.look_up("levels").Config(path=str(levels), count=4)
    assert profile.look(levels, config, SplitConfig()).alike == [("high/1.lvl", "low/0.lvl")]


def test_it_is_shown_as_it_says(own: Path, levels: Path, tmp_path: Path) -> None:
    data = {"modality": "levels", "path": str(levels), "count": 4}
    found = render.example("levels", {"levels": b"\x01\x02\x03\x04"}, data)
    assert found is not None and found["rows"] == [["0", "1"], ["1", "2"], ["2", "3"], ["3", "4"]]
    kind = modality.look_up("levels")
    update = {"data": kind.Config.model_validate(data), "augment": kind.Policy.model_validate({"rise": 9})}
    preview.write(tmp_path / "page.html", load("digits-cnn").model_copy(update=update), tmp_path, 4)
    page = (tmp_path / "page.html").read_text()
    assert "1 2 3 4" in page and "10 11 12 13" in page


def test_one_that_is_broken_ends_new_with_one_line(own: Path, levels: Path, tmp_path: Path) -> None:
    file = own / "modalities" / "levels" / "modality.py"
    file.write_text(LEVELS.replace("def encode", "def encoded"))
    for command in (["new", str(tmp_path / "project"), "--data", str(levels)], ["schema"]):
        done = CliRunner().invoke(cli.app, command)
        assert done.exit_code == 2 and len(done.output.splitlines()) == 1, done.output
        assert f"{file}: Levels: encode is missing; encoded is not asked for; did you mean 'encode" in done.output
