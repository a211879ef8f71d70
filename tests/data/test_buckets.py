"""Files that only TensorFlow's file systems know are read as those of this machine; memory stands for a bucket."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import tensorflow as tf
from PIL import Image
from pyarrow import parquet

from modelmill.components.ingest.component import example_gen
from modelmill.components.testing.pytest_plugin import NodeRunner
from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.core import files
from modelmill.data.readers import file_listing, raw_examples
from modelmill.data.spec import BadExampleError
from modelmill.data.splits import SplitConfig
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.preflight import memory_estimate
from modelmill.pipeline.preflight.check import check
from tests.conftest import CLASSES, stripes

series = modality.look_up("series")
tabular = modality.look_up("tabular")
text = modality.look_up("text")

ROOT = "ram://bucket/data"
CSV = "age,town,label\n1,Köln,x\n2,Ulm,y\n".encode()


@pytest.fixture(autouse=True)
def bucket() -> Iterator[None]:
    yield
    tf.io.gfile.rmtree("ram://bucket")


def put(name: str, content: bytes) -> None:
    tf.io.gfile.makedirs(ROOT)
    with tf.io.gfile.GFile(f"{ROOT}/{name}", "wb") as file:
        file.write(content)


def table() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"age": [1, 2], "town": ["Köln", "Ulm"], "label": ["x", "y"]}), file)
    return file.getvalue()


def read(config: DataConfig) -> list[dict[str, Any]]:
    split = SplitConfig()
    rows = file_listing.list_files(ROOT, modality.pattern(config), config, split).rows
    return [one for row in rows for one in raw_examples.examples(ROOT, row, config, split)]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", CSV), ("a.csv.gz", gzip.compress(CSV)), ("a.parquet", table())]
)
def test_tables(name: str, content: bytes) -> None:
    put(name, content)
    found = read(tabular.Config(path=ROOT, files="a.*", numeric=("age",), categorical=("town",)))
    assert [(one["row"], one["label"]) for one in found] == [("1,Köln", "x"), ("2,Ulm", "y")]


def test_texts_and_series() -> None:
    put("a.jsonl", b'{"text": "one", "label": "x"}\n')
    put("b.txt", b"two\n")
    put("c.ts", b"@data\n1,2:x\n")
    assert [one["text"] for one in read(text.Config(path=ROOT, files="*.jsonl"))] == ["one"]
    assert [(one["text"], one["label"]) for one in read(text.Config(path=ROOT, files="*.txt"))] == [("two", "b")]
    assert [one["series"] for one in read(series.Config(path=ROOT, channels=1, length=2))] == ["1\n2"]


def test_a_stream_is_read_here_and_there_and_errors_are_those_of_files() -> None:
    put("a", bytes(range(100)) * 30_000)
    with files.stream(f"{ROOT}/a") as file:
        assert file.seek(-3, io.SEEK_END) == 2_999_997 and file.read() == bytes([97, 98, 99])
        assert file.seek(1_500_010) and file.read(2) == bytes([10, 11]) and file.tell() == 1_500_012
    with pytest.raises(OSError), files.stream(f"{ROOT}/none") as file:
        file.read()
    put("a.csv", b"\xff\xfe")
    with pytest.raises(BadExampleError, match=r"a\.csv: it is not UTF-8"):
        read(tabular.Config(path=ROOT, files="a.csv", numeric=("age",)))


def test_an_experiment_takes_its_data_from_a_bucket(run_node: NodeRunner, tmp_path: Path) -> None:
    for label in CLASSES:
        tf.io.gfile.makedirs(f"{ROOT}/{label}")
        for number in range(8):
            picture = io.BytesIO()
            Image.fromarray(stripes(label, number)).save(picture, "PNG")
            put(f"{label}/{number}.png", picture.getvalue())
    (tmp_path / "mine.yaml").write_text(
        f"data: {{modality: image, path: '{ROOT}', height: 12, width: 12, channels: 1}}\nmodel: {{family: cnn}}\n"
    )
    found = load(str(tmp_path / "mine.yaml"))
    assert found.data.path == ROOT
    told = {line.name: line.text for line in check(found, tmp_path / "runs")}
    assert told["examples"].startswith(f"24 in {ROOT}, ") and told["classes"] == "columns 8, flat 8, rows 8"
    assert "for 24 files" in str(memory_estimate.note(found, ROOT))
    (examples,) = run_node(example_gen(ROOT, found.data, found.split, "code"))["examples"]
    files_made = [str(path) for path in Path(examples.uri).glob("Split-*/*")]
    assert len(list(tf.data.TFRecordDataset(files_made, "GZIP"))) == 24
