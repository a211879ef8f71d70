"""ExampleGen on folders of images: splits by content, and a clear refusal of what is no image."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
from tfx.types import artifact_utils

from components.ingest.component import example_gen
from data.config import SplitConfig
from data.modalities import image


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


def config(folder: Path) -> image.Config:
    return image.Config(path=str(folder), height=12, width=12, channels=1)
