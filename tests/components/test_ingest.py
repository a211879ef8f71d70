"""ExampleGen on folders of images: splits by content, and a clear refusal of what is no image."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils

from modelmill.components.ingest.component import example_gen
from modelmill.data import modality
from modelmill.data.splits import SplitConfig

image = modality.look_up("image")


def read(examples: Any, split: str) -> list[dict[str, Any]]:
    files = tf.io.gfile.glob(artifact_utils.get_split_uri([examples], split) + "/*")
    found = []
    for record in tf.data.TFRecordDataset(files, "GZIP"):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        found.append(
            {name: feature.bytes_list.value[0] for name, feature in features.items() if feature.bytes_list.value}
        )
    return found


def test_every_file_lands_in_one_split_with_its_class_and_bytes(prepared: SimpleNamespace, image_folder: Path) -> None:
    (examples,) = prepared.ingest.outputs["examples"].get()
    splits = {split: read(examples, split) for split in ("train", "eval", "test")}
    assert all(splits.values())
    paths = [example["path"].decode() for split in splits.values() for example in split]
    assert sorted(paths) == sorted(str(path.relative_to(image_folder)) for path in image_folder.glob("*/*"))
    for example in splits["test"]:
        path = image_folder / example["path"].decode()
        assert example["image"] == path.read_bytes()
        assert example["label"].decode() == path.parent.name


def test_equal_content_never_straddles_two_splits(run_node: Any, image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(image_folder, folder)
    for file in list(folder.glob("*/*.png")):
        shutil.copy(file, file.with_name(f"copy-of-{file.name}"))
    outputs = run_node(example_gen(str(folder), config(folder), SplitConfig(), "code"))
    where: dict[bytes, set[str]] = {}
    for split in ("train", "eval", "test"):
        for example in read(outputs["examples"][0], split):
            where.setdefault(example["sha256"], set()).add(split)
    assert len(where) == 180
    assert all(len(splits) == 1 for splits in where.values())


def test_files_that_hold_no_image_stop_the_node_by_name(run_node: Any, image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(image_folder, folder)
    for number in range(12):
        (folder / "rows" / f"bad{number:02}.png").write_bytes(b"no image")
    (folder / "rows" / ".hidden").write_bytes(b"ignored")
    with pytest.raises(Exception, match="12 files hold no example") as caught:
        run_node(example_gen(str(folder), config(folder), SplitConfig(), "code"))
    text = str(caught.value)
    assert "rows/bad00.png" in text and "rows/bad09.png" in text and "rows/bad10.png" not in text
    assert "and 2 more" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Beside what run_node leaves."""
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def filled(folder: Path, names: dict[str, int]) -> Path:
    """One image a name; equal numbers, equal content."""
    for name, number in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (4, 4), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


GIVEN = {"train/a/1.png": 1, "train/b/2.png": 2, "eval/a/3.png": 3, "eval/b/4.png": 4, "test/a/5.png": 5}
FOLDERS = SplitConfig(by="folder")


def run(run_node: Any, folder: Path, split: SplitConfig = FOLDERS, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """The Examples and what ingest.json says of them."""
    (examples,) = run_node(example_gen(str(folder), config(folder, **settings), split, "code"))["examples"]
    return examples, json.loads(Path(examples.uri, "ingest.json").read_text())


def paths(examples: Any, split: str) -> set[str]:
    return {example["path"].decode() for example in read(examples, split)}


def test_splits_given_by_folders(run_node: Any, folder: Path) -> None:
    examples, told = run(run_node, filled(folder, GIVEN))
    for split in ("train", "eval", "test"):
        assert paths(examples, split) == {name for name in GIVEN if name.startswith(split)}
    assert told == {"files": 5, "splits": {"train": 2, "eval": 2, "test": 1}, "columns": {}, "dropped": []}
    assert {example["label"] for example in read(examples, "eval")} == {b"a", b"b"}


def test_a_csv_gives_labels_columns_and_splits(run_node: Any, folder: Path) -> None:
    filled(folder, {f"{number}.png": number for number in range(4)})
    (folder / "labels.csv").write_text(
        "path,label,part,camera,age,weight\n0.png,a,train,left,3,\n1.png,b,train,right,4,2.5\n"
        "2.png,a,eval,left,5,3\n3.png,b,test,left,6,4\n"
    )
    examples, told = run(run_node, folder, SplitConfig(by="column", column="part"), csv="labels.csv")
    assert told["columns"] == {"camera": "string", "age": "int", "weight": "float"}
    assert json.loads(examples.get_string_custom_property("columns")) == told["columns"]
    features = {
        found["path"].bytes_list.value[0].decode(): found for found in raw(examples, "train") + raw(examples, "test")
    }
    assert features["1.png"]["age"].int64_list.value == [4] and features["1.png"]["weight"].float_list.value == [2.5]
    assert features["3.png"]["camera"].bytes_list.value == [b"left"]
    assert features["3.png"]["label"].bytes_list.value == [b"b"]
    assert "weight" not in features["0.png"] and "part" not in features["0.png"]
    (folder / "labels.csv").write_text("path,label,part,height\n0.png,a,train,3\n")
    with pytest.raises(Exception, match="column 'height' has the name of a feature; rename it"):
        run(run_node, folder, SplitConfig(by="column", column="part"), csv="labels.csv")


def test_a_group_is_whole_in_one_split(run_node: Any, folder: Path) -> None:
    names = {f"{'ab'[n % 2]}/{person}-{n}.png": 100 * n + p for p, person in enumerate("qrstuvwxyz") for n in range(6)}
    examples, _ = run(
        run_node, filled(folder, names), SplitConfig(by="group", pattern="/(.)-", train=2, eval=2, test=2)
    )
    people = [{path.split("/")[1][0] for path in paths(examples, split)} for split in ("train", "eval", "test")]
    assert all(people) and sum(map(len, people)) == 10


def test_equal_files_in_different_splits_are_refused_or_dropped(run_node: Any, folder: Path) -> None:
    filled(folder, {**GIVEN, "train/a/copy.png": 3, "eval/a/again.png": 3})
    with pytest.raises(Exception, match="1 times equal files are in different splits") as caught:
        run(run_node, folder)
    assert "eval/a/3.png (a, eval) = eval/a/again.png (a, eval) = train/a/copy.png (a, train)" in str(caught.value)
    examples, told = run(run_node, folder, conflicts="drop")
    assert told["dropped"] == [{"path": "train/a/copy.png", "reason": "an equal file is in eval"}]
    assert paths(examples, "eval") == {"eval/a/3.png", "eval/a/again.png", "eval/b/4.png"}
    assert "train/a/copy.png" not in paths(examples, "train")


def test_equal_files_with_different_labels_are_refused_or_dropped(run_node: Any, folder: Path) -> None:
    filled(folder, {**GIVEN, "train/b/copy.png": 1, "train/a/6.png": 6})
    with pytest.raises(Exception, match=r"equal files have different labels.*\n.*train/a/1.png.*train/b/copy.png"):
        run(run_node, folder)
    _, told = run(run_node, folder, conflicts="drop")
    assert {one["path"] for one in told["dropped"]} == {"train/a/1.png", "train/b/copy.png"}


def test_bad_files_are_dropped_up_to_the_allowed_share_and_listed(run_node: Any, folder: Path) -> None:
    filled(folder, {**GIVEN, "train/a/7.png": 7})
    whole = (folder / "train/a/7.png").read_bytes()
    (folder / "train/a/half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "train/a/text.png").write_bytes(b"no image")
    (folder / "eval/a/gone.png").symlink_to(folder / "nothing")
    (folder / "test/a/folder.png").mkdir()
    Path(os.fsdecode(bytes(folder) + b"/train/b/\xff.png")).write_bytes(whole)
    with pytest.raises(Exception, match="5 files hold no example; mend or remove") as caught:
        run(run_node, folder)
    for name in (
        "half.png: no image that can be decoded",
        "text.png: no image",
        "gone.png: can't be read (No such file",
        "\\xff.png: its name",
    ):
        assert name in str(caught.value)
    with pytest.raises(Exception, match=r"data.max_bad_fraction allows 0.4 of 11"):
        run(run_node, folder, max_bad_fraction=0.4)
    examples, told = run(run_node, folder, max_bad_fraction=0.5)
    assert sorted(one["path"] for one in told["dropped"]) == [
        "eval/a/gone.png",
        "test/a/folder.png",
        "train/a/half.png",
        "train/a/text.png",
        "train/b/\\xff.png",
    ]
    assert len(paths(examples, "train")) == 3
    assert sorted(path.name for path in Path(examples.uri).iterdir() if path.is_dir()) == [
        "Split-eval",
        "Split-test",
        "Split-train",
    ]


def test_a_split_without_examples_is_refused(run_node: Any, folder: Path) -> None:
    with pytest.raises(Exception, match=r"no examples in eval, test \(train 2, eval 0, test 0\)"):
        run(run_node, filled(folder, {"a/1.png": 1, "b/2.png": 2}), SplitConfig(train=1000, eval=1, test=1))


def raw(examples: Any, split: str) -> list[Any]:
    files = tf.io.gfile.glob(artifact_utils.get_split_uri([examples], split) + "/*")
    return [tf.train.Example.FromString(r.numpy()).features.feature for r in tf.data.TFRecordDataset(files, "GZIP")]


def config(folder: Path, **settings: Any) -> image.Config:
    return image.Config(path=str(folder), height=12, width=12, channels=1, **settings)


def test_ingest_makes_the_splits_that_check_has_told(run_node: Any, tmp_path: Path) -> None:
    """With eight groups, which hashing would leave in two splits, and with a rare class."""
    from modelmill.data.profiling import profile

    rows = [f"{row},g{row % 8},{'rare' if row < 4 else 'often'}" for row in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["x,site,kind", *rows]) + "\n")
    config = modality.look_up("tabular").Config(path=str(tmp_path), label="kind", numeric=("x",), also=("site",))
    for split in (SplitConfig(), SplitConfig(by="group", column="site")):
        (examples,) = run_node(example_gen(str(tmp_path), config, split, "code"))["examples"]
        told = json.loads(Path(examples.uri, "ingest.json").read_text())["splits"]
        found = profile.look(tmp_path, config, split)
        assert told == dict(found.splits) and min(told.values()) > 0
        rare = [example["path"] for part in told for example in read(examples, part) if example["label"] == b"rare"]
        assert len(rare) == 4
        if split.by == "content":
            assert found.trained["rare"] == 2 and found.judged["rare"] == 1
