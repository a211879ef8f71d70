"""TFRecords of tf.Example that are ready-made, as pictures, sounds, tables and texts."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from PIL import Image
from pydantic import ValidationError
from tfx.types import standard_artifacts

from modelmill.components.ingest.component import example_gen
from modelmill.components.testing.pytest_plugin import NodeRunner, example_proto
from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.modalities.image.config import ImageConfig
from modelmill.data.readers import file_listing, tfrecords
from modelmill.data.readers import raw_examples as readers_raw_examples
from modelmill.data.spec import DECIDES, BadExampleError
from modelmill.data.splits import SplitConfig

audio = modality.look_up("audio")
image = modality.look_up("image")
tabular = modality.look_up("tabular")
text = modality.look_up("text")


def write(path: Path, examples: list[dict[str, Any]]) -> None:
    with tf.io.TFRecordWriter(str(path), options="GZIP" if path.suffix == ".gz" else "") as writer:
        for one in examples:
            writer.write(example_proto(one).SerializeToString())


def read(config: DataConfig, split: SplitConfig | None = None) -> list[dict[str, Any]]:
    split, folder = split or SplitConfig(), str(config.path)
    rows = file_listing.list_files(folder, modality.pattern(config), config, split).rows
    return [one for row in rows for one in readers_raw_examples.examples(folder, row, config, split)]


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def pictures(folder: Path, **more: Any) -> image.Config:
    size = {"height": 4, "width": 4, "channels": 1}
    return image.Config.model_validate({"path": str(folder), "files": "*.tfrecord*", **size, **more})


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.tfrecord", True),
        ("a.tfrecords.gz", True),
        ("a.tfrecord-00001-of-00010", True),
        ("data_tfrecord-00000-of-00001.gz", True),
        ("tfrecord.csv", False),
        ("tfrecord", False),
    ],
)
def test_they_are_known_by_their_usual_names(name: str, known: bool) -> None:
    assert bool(tfrecords.NAME.fullmatch(name)) == known


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord-00000-of-00001.gz"])
def test_an_encoded_picture_and_its_class(name: str, tmp_path: Path) -> None:
    found = [{"image/encoded": png(n), "class": n % 2, "shop": f"s{n}", "person": "ann"} for n in range(3)]
    write(tmp_path / name, found)
    config = pictures(tmp_path, content="image/encoded", label="class", also=["shop"])
    one, two, _ = read(config, SplitConfig(by="group", column="person"))
    assert (one["label"], two["label"], two["shop"], two["width"]) == ("0", "1", "s1", 6)
    assert one["image"] == png(0) and two["path"] == f"{name}:2" and one[DECIDES] == "ann"
    assert one["sha256"] != two["sha256"]


def test_an_encoded_sound(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(800), 8000, format="FLAC")
    write(tmp_path / "a.tfrecord", [{"audio": file.getvalue(), "label": "still"}])
    (one,) = read(audio.Config(path=str(tmp_path), files="*.tfrecord", sample_rate=8000))
    assert (one["label"], one["rate"], one["audio"][:4]) == ("still", 8000, b"RIFF")


def test_rows_of_a_table_and_texts(tmp_path: Path) -> None:
    found = [{"age": 41, "size": 1.1, "town": "Köln ", "label": "yes"}, {"age": 7, "town": "Ulm", "label": "no"}]
    found[1]["size"] = float("nan")
    write(tmp_path / "a.tfrecord", found)
    seen = {"numeric": ["age", "size"], "categorical": ["town"], "missing": ["size"]}
    one, two = read(tabular.Config(path=str(tmp_path), files="*.tfrecord", **seen))
    assert (one["row"], two["row"]) == ("41,1.1,Köln", "7,,Ulm") and (one["label"], "size" in two) == ("yes", False)
    texts = read(text.Config(path=str(tmp_path), files="*.tfrecord", text="town"))
    assert [(one["text"], one["label"], one["path"]) for one in texts] == [
        ("Köln", "yes", "a.tfrecord:1"),
        ("Ulm", "no", "a.tfrecord:2"),
    ]


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ({"image": b"none", "label": "x"}, "a.tfrecord:1: no image that can be decoded"),
        ({"image": png(1)}, "a.tfrecord:1: the feature 'label' is missing; there are image"),
        ({"label": "x"}, "the feature 'image' is missing"),
        ({"image": png(1), "label": ["x", "y"]}, "'label' holds 2 values; one is allowed"),
        ({"image": 3, "label": "x"}, "'image' holds no bytes"),
        ({"image": png(1), "label": ""}, "the label .* is empty"),
        ({"image": png(1), "label": b"\xff"}, "'label' is no text in UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_its_record(example: dict[str, Any], told: str, tmp_path: Path) -> None:
    write(tmp_path / "a.tfrecord", [example])
    with pytest.raises(BadExampleError, match=told):
        read(pictures(tmp_path))


def test_a_file_that_is_cut_or_is_something_else_is_named(tmp_path: Path) -> None:
    write(tmp_path / "whole", [{"image": png(n), "label": "x"} for n in range(3)])
    (tmp_path / "a.tfrecord").write_bytes((tmp_path / "whole").read_bytes()[:-9])
    with pytest.raises(BadExampleError, match=r"a\.tfrecord: no TFRecords that can be read, after record 2"):
        read(pictures(tmp_path))
    (tmp_path / "a.tfrecord").write_bytes(gzip.compress(b"some text"))
    with pytest.raises(BadExampleError, match="after record 0"):
        read(pictures(tmp_path))
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(b"\xff\xff")
    with pytest.raises(BadExampleError, match=r"record 1 is no tf\.Example"):
        read(pictures(tmp_path))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"files": "", "content": "image/encoded"}, "content, label and also belong to files"),
        ({"also": ["image/height"]}, "'image/height' should be called otherwise"),
        ({"also": ["label"]}, "'label' should be called otherwise"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=told):
        pictures(tmp_path, **more)


def test_ingest_makes_of_them_what_it_makes_of_class_folders(
    run_node: NodeRunner, image_folder: Path, image_config: ImageConfig, tmp_path: Path
) -> None:
    found = [{"picture": path.read_bytes(), "kind": path.parent.name} for path in sorted(image_folder.glob("*/*"))]
    for shard in range(2):
        write(tmp_path / f"a.tfrecord-0000{shard}-of-00002", found[shard::2])
    more = {"path": str(tmp_path), "files": "a.tfrecord-*", "content": "picture", "label": "kind"}
    config = image.Config.model_validate({**image_config.model_dump(), **more})
    made = []
    for folder, data in ((image_folder, image_config), (tmp_path, config)):
        (examples,) = run_node(example_gen(str(folder), data, SplitConfig(), "code"))["examples"]
        assert examples.type == standard_artifacts.Examples
        made.append({split: contents(examples.uri, split) for split in ("train", "eval", "test")})
    assert made[0] == made[1] and sum(map(len, made[0].values())) == 180


def contents(uri: str, split: str) -> set[tuple[bytes, bytes]]:
    """Picture and class of each raw example of a split."""
    files = [str(path) for path in Path(uri, f"Split-{split}").iterdir()]
    raw_examples = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    features = [tf.train.Example.FromString(one).features.feature for one in raw_examples]
    return {(one["image"].bytes_list.value[0], one["label"].bytes_list.value[0]) for one in features}
