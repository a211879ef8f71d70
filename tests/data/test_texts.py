"""Reading texts: one a file, or many in CSV, TSV, Parquet, JSONL and plain lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from modelmill.data import modality
from modelmill.data.modalities.text import client, readers
from modelmill.data.modalities.text.config import TextConfig
from modelmill.data.readers import file_listing, raw_examples
from modelmill.data.spec import DECIDES, BadExampleError
from modelmill.data.splits import SplitConfig

text = modality.look_up("text")

RECORDS = [
    {"message": "Where is my parcel?", "about": "delivery", "person": "ann", "number": 3},
    {"message": "Zurück, bitte: 退款", "about": "payment", "person": "ben", "number": 4},
]


def config(folder: Path, **more: Any) -> text.Config:
    return text.Config.model_validate({"path": str(folder), "length": 16, **more})


def read(found: TextConfig, split: SplitConfig | None = None) -> list[dict[str, Any]]:
    split = split or SplitConfig()
    rows = file_listing.list_files(str(found.path), modality.pattern(found), found, split).rows
    return [one for row in rows for one in raw_examples.examples(str(found.path), row, found, split)]


def write(folder: Path, name: str) -> None:
    between = "\t" if ".tsv" in name else ","
    lines = [between.join(f'"{cell}"' for cell in row) for row in (RECORDS[0], *(one.values() for one in RECORDS))]
    if name.endswith(".jsonl"):
        (folder / name).write_text("\n".join(json.dumps(one) for one in RECORDS) + "\n\n", encoding="utf-8")
    elif name.endswith(".csv"):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    elif name.endswith(".tsv.gz"):
        (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    else:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(RECORDS), folder / name)


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.tsv.gz", "data.parquet"])
def test_a_row_or_an_object_is_a_text(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    found = config(tmp_path, files="data.*", text="message", label="about", also=["number"])
    one, two = read(found, SplitConfig(by="group", column="person"))
    assert (one["text"], one["label"], one["number"], one["characters"]) == ("Where is my parcel?", "delivery", "3", 19)
    assert two["text"] == RECORDS[1]["message"] and two["path"].startswith(f"{name}:")
    assert (one[DECIDES], two[DECIDES]) == ("ann", "ben")
    assert one["sha256"] != two["sha256"] and DECIDES not in read(found)[0]


def test_of_plain_lines_the_files_name_is_the_class(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("fine\n\nvery fine\n", encoding="utf-8")
    (tmp_path / "bad.txt").write_text("poor\n", encoding="utf-8")
    found = read(config(tmp_path, files="*.txt"))
    wanted = [("poor", "bad", "bad.txt:1"), ("fine", "good", "good.txt:1"), ("very fine", "good", "good.txt:3")]
    assert [(one["text"], one["label"], one["path"]) for one in found] == wanted
    with pytest.raises(BadExampleError, match="has no column 'person'; give a table or JSONL"):
        read(config(tmp_path, files="*.txt"), SplitConfig(by="group", column="person"))


def test_of_plain_lines_a_pair_has_a_tab_between_and_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("one\ttwo\n", encoding="utf-8")
    assert [one["text"] for one in read(config(tmp_path, files="*.txt", pairs=True))] == ["one\ttwo"]
    (tmp_path / "good.txt").write_text("one\ttwo\nthree\n", encoding="utf-8")
    with pytest.raises(BadExampleError, match=r"good\.txt:2: data\.pairs: there is no tab"):
        read(config(tmp_path, files="*.txt", pairs=True))
    for more in ({"also": ["person"]}, {"pairs": True, "second": "other"}):
        with pytest.raises(ValidationError, match="a file of one text a line has no columns; leave out"):
            config(tmp_path, files="*.txt", **more)


def test_a_file_in_a_class_folder_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "1.txt").write_text("two\nlines\n", encoding="utf-8")
    (one,) = read(config(tmp_path))
    assert (one["text"], one["label"], one["path"]) == ("two\nlines\n", "good", "good/1.txt")


def test_pairs_are_joined_by_a_tab(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"text": "a\tb", "other": "c", "label": "x"}))
    assert [one["text"] for one in read(config(tmp_path, files="*.jsonl", pairs=True, second="other"))] == ["a b\tc"]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.txt").write_text("no pair")
    with pytest.raises(BadExampleError, match="no tab between two texts"):
        read(config(tmp_path, pairs=True))
    with pytest.raises(ValidationError, match="pairs and second belong together"):
        config(tmp_path, files="*.jsonl", pairs=True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"text": "fine", "label": "x"}\n{"text": 3', "data.jsonl, line 2: no JSON"),
        (b'{"label": "x"}', "it should be an object with 'text', text, a number or null"),
        (b'{"text": " ", "label": "x"}', "data.jsonl:1: there is no text in it"),
        (b'{"text": "fine", "label": ""}', r"data.jsonl:1: the label \('label'\) is empty"),
        (b'{"text": "12345678901", "label": "x"}', "11 characters; data.max_characters allows 10"),
        (b"\xff\xfe{", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(content)
    with pytest.raises(BadExampleError, match=told):
        read(config(tmp_path, files="*.jsonl", max_characters=10))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadExampleError, match="it is not UTF-8"):
        read(config(tmp_path))
    (tmp_path / "letter.doc").touch()
    with pytest.raises(BadExampleError, match=r"no file of texts; allowed are \.csv"):
        read(config(tmp_path, files="*.doc"))


def test_a_byte_order_mark_is_no_part_of_a_text() -> None:
    plain, marked = (b"nice food", b"\xef\xbb\xbfnice food")
    settings = config(Path())
    assert list(text.examples("a/x.txt", plain, settings)) == list(text.examples("a/x.txt", marked, settings))


WORDS = {"[UNK]": 0, "nice": 1, "food": 2, "bad": 3, "service": 4, "[PAD]": 5}


def client_of(folder: Path, **more: Any) -> Any:
    """The client's reader, with a tokenizer of five words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=4, pad_id=5, pad_token="[PAD]")
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"length": 4, "pairs": False, "tokenizer": "tokenizer.json", "text": "say", "second": "", "lines": False}
    return client.Reader({**settings, **more}, lambda name: folder / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id;say\n1;nice food\n2;"bad\nservice"\n'),
        ("a.tsv", "say\tid\nnice food\t1\nbad service\t2\n"),
        ("a.jsonl", '\ufeff{"say": "nice food"}\n\n{"say": "bad service", "id": 2}\n'),
    ],
)
def test_the_client_reads_files_of_many_texts_as_training_does(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = list(client_of(tmp_path).read(tmp_path / name))
    assert [ids.tolist() for _, ids in found] == [[1, 2, 5, 5], [3, 4, 5, 5]]
    trained = list(readers.read(str(tmp_path / name), name, ["say"]))
    assert [place.rpartition(":")[2] for place, _ in found] == [str(number) for number, _ in trained]


def test_the_client_reads_lines_if_training_did_and_else_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nice food\n\nbad service\n")
    assert len(list(client_of(tmp_path, lines=True).read(tmp_path / "a.txt"))) == 2
    assert [ids.tolist() for _, ids in client_of(tmp_path).read(tmp_path / "a.txt")] == [[1, 2, 3, 4]]


def test_texts_that_the_client_can_not_take_are_named_and_the_others_are_answered(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"say": "nice food"}\n{"say": \n[1]\n{"said": "x"}\n{"say": " "}\n{"say": "food"}\n'
    )
    answered = []
    with pytest.raises(client.NotATextError) as error:
        for name, _ in client_of(tmp_path).read(tmp_path / "a.jsonl"):
            answered.append(name.rpartition(":")[2])
    assert answered == ["1", "6"]
    assert [line.split(":")[1] for line in str(error.value).splitlines()] == ["2", "3", "4", "5"]
    (tmp_path / "a.csv").write_text("text,id\nnice,1\n")
    with pytest.raises(client.NotATextError, match=r"a.csv: its header has no column 'say'"):
        list(client_of(tmp_path).read(tmp_path / "a.csv"))
