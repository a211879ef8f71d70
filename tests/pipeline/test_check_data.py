"""`modelmill check` on every modality: planted wrong labels, copies and leaks are found, clean data is left alone."""

from __future__ import annotations

import random
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from modelmill.data import modality, sample_data
from modelmill.data.profiling import profile
from modelmill.data.profiling.profile import Found
from modelmill.data.splits import SplitConfig
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.preflight.check import Line, check

audio = modality.look_up("audio")
image = modality.look_up("image")
series = modality.look_up("series")
tabular = modality.look_up("tabular")
text = modality.look_up("text")


def looked(folder: Path, config: Any, split: SplitConfig | None = None) -> Found:
    return profile.look(folder, config, split or SplitConfig())


def names(pairs: list[tuple[str, str]]) -> set[str]:
    return {one for pair in pairs for one in pair}


def lines(folder: Path, data: dict[str, Any], split: dict[str, Any], family: str) -> dict[str, Line]:
    """Of an experiment on the folder."""
    tree = {"data": {"path": str(folder), **data}, "augment": {}, "model": {"family": family}, "split": split}
    path = folder.parent / f"{folder.name}.yaml"
    path.write_text(yaml.safe_dump(tree))
    return {line.name: line for line in check(load(str(path)), folder.parent / "runs")}


def flowers(folder: Path, wrong: tuple[int, ...] = (), rows: int = 200) -> Path:
    """A table of two classes that are far apart; the rows `wrong` have the label of the other."""
    draw = random.Random(0)
    folder.mkdir()
    with (folder / "flowers.csv").open("w") as file:
        file.write("length,width,colour,part,kind\n")
        for row in range(rows):
            kind = row % 2
            told = "rose" if (kind == 1) != (row in wrong) else "daisy"
            part = ("train", "train", "train", "eval", "test")[row % 5]
            file.write(f"{draw.gauss(3 * kind, 0.5):.4f},{draw.gauss(5, 1):.4f},{'rw'[kind]},{part},{told}\n")
    return folder


FILLING = ("the", "of", "some", "with", "for", "about")
TABLE = {"modality": "tabular", "label": "kind", "numeric": ["length", "width"], "categorical": ["colour"]}


def test_wrong_labels_of_a_table_are_told_by_line(tmp_path: Path) -> None:
    found = looked(flowers(tmp_path / "a", wrong=(20, 101)), tabular.Config(path="x", **TABLE))
    assert {name for name, _ in found.doubtful} == {"flowers.csv:22", "flowers.csv:103"}
    assert dict(found.doubtful)["flowers.csv:22"] == "is rose, looks like daisy"
    assert not looked(flowers(tmp_path / "b"), tabular.Config(path="x", **TABLE)).doubtful


@pytest.mark.parametrize("number", range(2))
def test_of_real_data_hardly_any_label_is_doubted_and_half_of_the_wrong_ones_are(tmp_path: Path, number: int) -> None:
    folder = sample_data.materialize(("digits", "cancer")[number], tmp_path)
    numeric = (folder / "cancer.csv").read_text().splitlines()[0].split(",") if number else []
    config = (
        tabular.Config(path="x", label="diagnosis", numeric=[one for one in numeric if one != "diagnosis"])
        if number
        else image.Config(path="x", height=8, width=8, channels=1)
    )
    clean = looked(folder, config)
    assert len(clean.doubtful) <= 0.01 * clean.examples
    planted = set()
    if number:
        rows = (folder / "cancer.csv").read_text().splitlines()
        for place in range(10, 510, 50):
            swapped = {"benign": "malignant", "malignant": "benign"}
            rows[place] = ",".join(swapped.get(cell, cell) for cell in rows[place].split(","))
            planted.add(f"cancer.csv:{place + 1}")
        (folder / "cancer.csv").write_text("\n".join(rows) + "\n")
    else:
        for place, file in enumerate(sorted(folder.glob("*/*.png"))[50::175][:10]):
            moved = folder / str((int(file.parent.name) + 1 + place % 9) % 10) / file.name
            file.rename(moved)
            planted.add(str(moved.relative_to(folder)))
    doubted = {name for name, _ in looked(folder, config).doubtful}
    assert len(doubted & planted) >= 5, (doubted, planted)


def test_wrong_labels_and_copies_of_texts(tmp_path: Path) -> None:
    draw = random.Random(0)
    topics = {
        "food": ["bread", "cheese", "soup", "onion", "salt", "oven"],
        "ships": ["mast", "sail", "harbour", "anchor", "deck", "crew"],
    }
    for label, vocabulary in topics.items():
        (tmp_path / label).mkdir()
        for number in range(40):
            words = draw.sample(vocabulary, 4) + draw.sample(FILLING, 3)
            (tmp_path / label / f"{number}.txt").write_text(" ".join(words) + f" {number}")
    (tmp_path / "food" / "stray.txt").write_text("anchor and mast, sail and deck: the crew")
    (tmp_path / "ships" / "copy.txt").write_text((tmp_path / "ships" / "5.txt").read_text().upper() + " !")
    (tmp_path / "food" / "other.txt").write_text((tmp_path / "ships" / "7.txt").read_text() + ".")
    found = looked(tmp_path, text.Config(path="x"))
    assert ("food/stray.txt", "is food, looks like ships") in found.doubtful
    assert names(found.alike) == {"food/other.txt", "ships/7.txt"} and not found.contradictory


def test_a_softer_copy_of_a_sound_is_known_again(tmp_path: Path) -> None:
    for number in range(6):
        label = ("low", "high")[number % 2]
        noise = np.random.default_rng(number).normal(0, 0.2, 8000)
        sound = np.sin(np.arange(8000) / 8000 * 2 * np.pi * (200 + 150 * number)) * np.linspace(0, 1, 8000) + noise
        write(tmp_path / label / f"{number}.wav", sound)
        if number == 4:
            write(tmp_path / "high" / "softer.wav", 0.7 * sound)
    found = looked(tmp_path, audio.Config(path="x", sample_rate=8000))
    assert names(found.alike) == {"low/4.wav", "high/softer.wav"}


def write(path: Path, sound: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((8000 * np.clip(sound, -3, 3)).astype(np.int16).tobytes())


def test_a_wrong_label_of_a_series(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = []
    for number in range(80):
        rises, told = number % 2, ("flat", "rising")[(number % 2) ^ (number == 30)]
        rows.append(",".join(f"{draw.gauss(rises * step / 5, 0.2):.3f}" for step in range(20)) + f":{told}")
    (tmp_path / "a.ts").write_text("@data\n" + "\n".join(rows) + "\n")
    found = looked(tmp_path, series.Config(path="x", channels=1, length=20))
    assert [pair[0] for pair in found.doubtful] == ["a.ts, line 32"]


def test_equal_rows_in_different_splits_are_a_leak(tmp_path: Path) -> None:
    folder = flowers(tmp_path / "a")
    table = folder / "flowers.csv"
    first = table.read_text().splitlines()[1]
    table.write_text(table.read_text() + first.replace("train", "test") + "\n")
    found = lines(folder, {**TABLE, "also": ["part"]}, {"by": "column", "column": "part"}, "mlp")
    assert found["splits"].text == "train 120, eval 40, test 41"
    assert found["leakage"].kind == "wrong" and "flowers.csv:2 and flowers.csv:202" in found["leakage"].text
    by_hash = lines(folder, TABLE, {}, "mlp")
    assert "leakage" not in by_hash and by_hash["near leakage"].kind == "ok", "by hash equal rows are in one split"
    table.write_text(table.read_text().replace(",test,", ",tset,"))
    from modelmill.data.readers.labels_csv import BadDataError

    with pytest.raises(BadDataError, match="unknown split 'tset'"):
        lines(folder, {**TABLE, "also": ["part"]}, {"by": "column", "column": "part"}, "mlp")


def test_pictures_that_look_the_same_in_different_splits_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for place, split in enumerate(("train", "eval", "test")):
        for number in range(6):
            path = folder / split / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = np.random.default_rng([place, number]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((40, 40)).save(path)
    Image.open(folder / "train" / "a" / "0.png").save(folder / "test" / "a" / "again.png", compress_level=0)
    data = {"modality": "image", "height": 8, "width": 8, "channels": 3}
    found = lines(folder, data, {"by": "folder"}, "cnn")
    assert found["near leakage"].kind == "mind" and found["leakage"].kind == "ok"
    assert "test/a/again.png and train/a/0.png" in found["near leakage"].text


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = flowers(tmp_path / "a")
    with (folder / "flowers.csv").open("a") as file:
        file.write("wide,1,r,train,rose\n")
    found = lines(folder, TABLE, {}, "mlp")
    assert found["unreadable"].kind == "wrong"
    assert "row 202: 'length' holds 'wide', no finite number" in found["unreadable"].text


def test_a_column_that_tells_the_label_and_names_that_look_the_same_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    kinds = ("Rose", "rose", "daisy")
    rows = [f"{random.Random(row).random():.3f},{'rd'[row % 3 == 2]},{kinds[row % 3]}" for row in range(120)]
    (folder / "a.csv").write_text("\n".join(["width,colour,kind", *rows]) + "\n")
    data = {"modality": "tabular", "label": "kind", "numeric": ["width"], "categorical": ["colour"]}
    told = lines(folder, data, {}, "mlp")
    assert told["similar"].kind == "mind" and "'Rose' and 'rose'" in told["similar"].text
    assert "leaks" not in told
    (folder / "a.csv").write_text((folder / "a.csv").read_text().replace("Rose", "rose"))
    told = lines(folder, data, {}, "mlp")
    assert told["similar"].kind == "ok" and told["leaks"].kind == "mind"
    assert "colour alone tells 100.0% of the labels, where the largest class has 66.7%" in told["leaks"].text


def test_a_column_that_numbers_the_rows_is_no_label(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    rows = [f"{row % 7},{'rd'[row % 2]},order {row}" for row in range(120)]
    (folder / "a.csv").write_text("\n".join(["width,colour,kind", *rows]) + "\n")
    data = {"modality": "tabular", "label": "kind", "numeric": ["width"], "categorical": ["colour"]}
    few = lines(folder, data, {}, "mlp")["few"]
    assert (
        few.kind == "wrong" and "120 of 120 classes have one example: is the column 'kind' the right one?" in few.text
    )


def test_a_class_that_is_in_the_test_split_alone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    rows = [f"{row / 7:.3f},{('train', 'train', 'eval', 'test')[row % 4]},{'ab'[row % 3 == 0]}" for row in range(120)]
    (folder / "a.csv").write_text("\n".join(["width,part,kind", *rows, "3,test,new", "4,train,old"]) + "\n")
    data = {"modality": "tabular", "label": "kind", "numeric": ["width"], "also": ["part"]}
    told = lines(folder, data, {"by": "column", "column": "part"}, "mlp")
    assert told["unseen"].kind == "wrong" and "no example of new is in the train split" in told["unseen"].text
    assert told["unjudged"].kind == "mind" and "no example of old is in the test split" in told["unjudged"].text


def test_eight_groups_leave_no_split_empty(tmp_path: Path) -> None:
    for first in range(6):
        folder = tmp_path / f"{first}"
        folder.mkdir()
        rows = [f"{row / 7:.3f},site-{first}{row % 8},{'ab'[row % 3 == 0]}" for row in range(160)]
        (folder / "a.csv").write_text("\n".join(["width,site,kind", *rows]) + "\n")
        data = {"modality": "tabular", "label": "kind", "numeric": ["width"], "also": ["site"]}
        told = lines(folder, data, {"by": "group", "column": "site"}, "mlp")["splits"]
        assert told.kind == "ok" and told.text.startswith("train 1")


def test_numbers_to_be_told_are_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    table = folder / "a.csv"
    table.write_text("size,label\n" + "\n".join(f"{row},{row % 17}" for row in range(60)) + "\n")
    data = {"modality": "tabular", "task": "regression", "numeric": ["size"]}
    found = lines(folder, data, {}, "mlp")["labels"]
    assert found.kind == "ok" and found.text.startswith("0 to 16, half of them below ")
    table.write_text(table.read_text() + "61,9999\n")
    found = lines(folder, data, {}, "mlp")["labels"]
    assert found.kind == "mind" and "1 far from all others: 9999" in found.text
    table.write_text("size,label\n1,3\n2,3\n")
    assert lines(folder, data, {}, "mlp")["labels"].kind == "wrong"
