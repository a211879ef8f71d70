"""Series: the same of .ts, long and wide tables; windows that do not leak; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from modelmill.data import modality
from modelmill.data.modalities.series import client
from modelmill.data.readers import raw_examples
from modelmill.data.readers.file_listing import Row
from modelmill.data.spec import DECIDES, BadExampleError
from modelmill.data.splits import SplitConfig

series = modality.look_up("series")


def read(folder: Path, name: str, split: SplitConfig | None = None, **more: Any) -> list[dict[str, Any]]:
    given = {"path": "x", "files": name, "channels": 1, "length": 4, **more}
    return list(raw_examples.examples(str(folder), Row(name), series.Config(**given), split))


def test_all_layouts_give_the_same_series(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("#about\n@classLabel true x y\n@data\n1,2,3:x\n4,5:y\n")
    (tmp_path / "long.csv").write_text("series,label,v\na,x,1\na,x,2\na,x,3\nb,y,4\nb,y,5\n")
    (tmp_path / "wide.csv").write_text("label,t1,t2,t3\nx,1,2,3\ny,4,5,\n")
    found = read(tmp_path, "a.ts")
    assert [(one["series"], one["label"], one["steps"]) for one in found] == [("1\n2\n3", "x", 3), ("4\n5", "y", 2)]
    others = read(tmp_path, "long.csv", values=["v"]), read(tmp_path, "wide.csv", layout="wide", values=["t*"])
    for other in others:
        for one, same in zip(found, other, strict=True):
            assert {**one, "path": ""} == {**same, "path": ""}


def test_channels_stand_beside_each_other_and_what_is_too_long_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("@data\n1,2,3,4,5:6,7,8,9,10:x\n")
    (one,) = read(tmp_path, "a.ts", channels=2)
    assert one["series"] == "1,6\n2,7\n3,8\n4,9"


def long(tmp_path: Path, steps: int = 12) -> None:
    rows = [f"{name},{step % 3},{place},{step}" for place, name in enumerate("ab") for step in range(steps)]
    (tmp_path / "a.csv").write_text("series,label,v,time\n" + "\n".join(rows) + "\n")


def test_windows_of_a_series_are_all_in_one_split(tmp_path: Path) -> None:
    long(tmp_path)
    found = read(tmp_path, "a.csv", values=["v"], stride=2)
    assert len(found) == 10 and {one["steps"] for one in found} == {4}
    assert len({one[DECIDES] for one in found}) == 2
    assert found[0]["label"] == "0", "of the last step"
    assert len({one["path"] for one in found}) == 10


def test_windows_of_a_series_of_which_two_files_have_parts_are_all_in_one_split(tmp_path: Path) -> None:
    long(tmp_path)
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text())
    found = [one for name in ("a.csv", "b.csv") for one in read(tmp_path, name, values=["v"], stride=2)]
    assert len(found) == 20 and len({one[DECIDES] for one in found}) == 2


def test_windows_do_not_reach_from_one_time_into_another(tmp_path: Path) -> None:
    long(tmp_path)
    split = SplitConfig(by="time", column="time", eval_from="6", test_from="8")
    found = read(tmp_path, "a.csv", split, values=["v"], stride=1)
    starts = [int(one["path"].split("steps ")[1].split(" ")[0]) for one in found][: len(found) // 2]
    assert starts == [1, 2, 3, 9], "none of the short time between, none across a border"
    assert [split.decided(one[DECIDES], "")[0] for one in found][:4] == ["train"] * 3 + ["test"]


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("@data\n1,2:x\n", {"channels": 2}, "line 2: 1 channels, but data.channels is 2"),
        ("@data\n1,2:3:x\n", {"channels": 2}, "its channels are of different lengths"),
        ("@data\n1,?:x\n", {}, "step 2 has no value; say data.missing: true"),
        ("@data\n1,inf:x\n", {}, "step 2 has 'inf', no finite number"),
        ("@data\n1,1_0:x\n", {}, "step 2 has '1_0', no finite number"),
        ("1,2:x\n", {}, "it has no line @data"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, more: dict[str, Any], says: str) -> None:
    (tmp_path / "a.ts").write_text(text)
    with pytest.raises(BadExampleError, match=says):
        read(tmp_path, "a.ts", **more)


def test_a_series_that_begins_again_and_a_table_without_its_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("series,label,v\na,x,1\nb,y,4\na,x,2\n")
    with pytest.raises(BadExampleError, match="row 4: series 'a' begins again; sort the rows by 'series'"):
        read(tmp_path, "a.csv", values=["v"])
    with pytest.raises(ValidationError, match="values has 1 of 2"):
        read(tmp_path, "a.csv", values=["v"], channels=2)


def test_the_client_pads_and_marks_what_is_there(tmp_path: Path) -> None:
    found = client.preprocess([["3", ""], ["5", "1"]], 3, [{"mean": 1.0, "stddev": 2.0}, {"mean": 0, "stddev": 1}])
    np.testing.assert_array_equal(found, np.array([[1, 0, 1], [2, 1, 1], [0, 0, 0]], np.float32))
