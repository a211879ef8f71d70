"""Recorded predictions come back as they were written, in the order of their content; what is damaged is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelmill.data import predictions
from modelmill.data.predictions import Prediction


def some(number: int, content: str = "") -> Prediction:
    (record,) = predictions.serialize({"label": np.array([number], np.int32), "answer": np.full((1, 2), 0.5, "f4")})
    slices = {"label": ("früh",), "floor": (number, -1), "camera": (b"\xff".decode(errors="surrogateescape"),)}
    return Prediction(content or f"{number:08x}", slices, record, record)


def test_records_come_back_in_their_types_and_shapes() -> None:
    given = {
        "label": np.array([3, -1], np.int32),
        "probabilities": np.array([[0.25, np.nan], [np.inf, 0]], np.float32),
        "mask": np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
        "sure": np.array([True, False]),
    }
    records = predictions.serialize(given)
    assert len(records) == 2 and len(records[0]) < 110
    found = predictions.deserialize(records)
    assert list(found) == list(given)
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
    # Written down once: what a later version must still be able to read.
    first = predictions.serialize({"label": np.array([258], ">i4")})[0]
    assert first == b"\x0a\0\0\0label:<i4:\x02\x01\0\0"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda one: one[:-1], "bytes of fields"),
        (lambda one: one[:2], "no layout"),
        (lambda one: one.replace(b"<i4", b"|O8"), "allowed is name:type:shape"),
    ],
)
def test_what_is_no_record_is_refused(damage, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictions.deserialize([damage(some(1).exact)])


def test_records_of_two_layouts_are_refused() -> None:
    other = predictions.serialize({"score": np.zeros(1, np.float32)})[0]
    with pytest.raises(ValueError, match="two layouts"):
        predictions.deserialize([some(1).exact, other])


def test_predictions_come_back_in_files_of_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "SHARD", 3)
    given = predictions.in_order(some(number, f"{number * 7 % 8:08x}") for number in range(8))
    runs = [given[::3], given[1::3], given[2::3]]
    for folder in ("one", "other"):
        predictions.write(str(tmp_path / folder), predictions.merged(runs), 8)
    assert list(predictions.read(str(tmp_path / "one"))) == given
    names = [f"predictions-0000{number}-of-00003.gz" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    predictions.write(str(tmp_path / "none"), [], 0)
    assert list(predictions.read(str(tmp_path / "none"))) == []
    assert len(predictions.paths(str(tmp_path / "none"))) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    predictions.write(str(tmp_path), [some(1)], 1)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for content in (whole[:-9], b"no gzip", whole[:20] + b"\0" + whole[21:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"predictions-00000-of-00001\.gz: no recorded predictions"):
            list(predictions.read(str(tmp_path)))
