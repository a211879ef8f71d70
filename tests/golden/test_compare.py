"""What the comparison of golden numbers notices, and what it lets pass; nothing is run."""

from __future__ import annotations

import copy
import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.golden import checkouts, compare, digests, record

GATE = "gates/threshold accuracy overall/outcome"
RECORD: dict[str, Any] = {
    "environment": {"cpu_flags": "a", "threads": 2, "lock": "b"},
    "experiments": {
        "one": {
            "exact": {"data/splits/train": 100, "bundle/labels": ["cat", "dog"], GATE: "passed", "pushed": True},
            "figures": {"float/metrics/accuracy": 0.9, "compressed/bytes": 10000, "gates/drop/value": 0.0},
            "digests": {"model.tflite": "0123"},
        }
    },
}


def changed(part: str, key: str, value: Any) -> dict[str, Any]:
    """Return the record with one row changed."""
    found = copy.deepcopy(RECORD)
    found["experiments"]["one"][part][key] = value
    return found


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("exact", "data/splits/train", 101),
        ("exact", "bundle/labels", ["dog", "cat"]),
        ("exact", GATE, "refused"),
        ("exact", GATE, "undecided"),
        ("exact", "pushed", False),
        ("exact", "gates/a new row/outcome", "passed"),
        ("figures", "float/metrics/accuracy", 0.9 * 1.002),
        ("figures", "compressed/bytes", 10020),
        ("figures", "gates/drop/value", 0.001),
        ("digests", "model.tflite", "4567"),
    ],
)
def test_a_change_is_noticed(part: str, key: str, value: Any) -> None:
    found = changed(part, key, value)
    (row,) = compare.differences(RECORD, found)
    assert (row.experiment, row.part, row.what, row.found) == ("one", part, key, value)
    (back,) = compare.differences(found, RECORD)
    assert back.expected == value
    assert f"{row.what}  " in compare.text(RECORD, found) and "1 of " in compare.text(RECORD, found)


@pytest.mark.parametrize("part", ["exact", "figures", "digests"])
def test_a_row_that_is_gone_is_noticed(part: str) -> None:
    found = copy.deepcopy(RECORD)
    key, _ = found["experiments"]["one"][part].popitem()
    (row,) = compare.differences(RECORD, found)
    assert (row.what, row.found) == (key, "absent")


def test_an_experiment_that_is_gone_is_noticed() -> None:
    (row,) = compare.differences(RECORD, {**RECORD, "experiments": {}})
    assert row[:4] == ("one", "experiment", "recorded", "absent")


def test_a_figure_within_a_thousandth_passes() -> None:
    assert compare.differences(RECORD, changed("figures", "float/metrics/accuracy", 0.9 * 1.0009)) == []
    assert compare.differences(RECORD, changed("figures", "compressed/bytes", 10009)) == []


@pytest.mark.parametrize("key", ["cpu_flags", "threads", "lock"])
def test_digests_of_another_environment_are_not_compared(key: str) -> None:
    found = changed("digests", "model.tflite", "4567")
    found["environment"][key] = "other"
    assert compare.differences(RECORD, found) == []
    assert f"digests not compared: {key} " in compare.text(RECORD, found)
    assert "not compared" not in compare.text(RECORD, RECORD)
    found["experiments"]["one"]["exact"]["data/splits/train"] = 99
    assert len(compare.differences(RECORD, found)) == 1


@pytest.mark.parametrize(
    ("key", "value", "near", "far"),
    [("float/gzip_bytes", 1000, 1009, 1020), ("float/metrics/calibration_error", 0.02, 0.023, 0.03)],
)
def test_what_hangs_on_the_last_bits_has_more_room_in_another_environment(
    key: str, value: float, near: float, far: float
) -> None:
    recorded = changed("figures", key, value)
    for moved in (near, far):
        found = changed("figures", key, moved)
        assert [row.what for row in compare.differences(recorded, found)] == [key]
        found["environment"]["cpu_flags"] = "other"
        assert [row.what for row in compare.differences(recorded, found)] == ([key] if moved == far else [])


def test_all_outcomes_of_gates_differ() -> None:
    row = {"passed": True, "warned": False}
    assert record.outcome(row) == "passed"
    assert record.outcome({**row, "warned": True}) == "warned"
    assert record.outcome({**row, "passed": False}) == "refused"
    assert record.outcome({**row, "passed": False, "undecided": True}) == "undecided"
    assert record.outcome({"outcome": "undecided"}) == "undecided"


def test_nested_results_are_flat_rows() -> None:
    tree = {"a": {"b": [1, 2], "c": [{"d": 3}, {"d": 4}]}, "e": None}
    assert record.flat(tree) == {"a/b": [1, 2], "a/c/1/d": 3, "a/c/2/d": 4, "e": None}


def test_the_order_of_features_does_not_change_the_digest_of_examples(tmp_path: Path) -> None:
    one, two, other = b"\x0a\x01a", b"\x0a\x02bc", b"\x0a\x01z"

    def example(*entries: bytes) -> bytes:
        features = b"".join(b"\x0a" + bytes([len(entry)]) + entry for entry in entries)
        return b"\x0a" + bytes([len(features)]) + features

    assert digests.canonical(example(one, two)) == digests.canonical(example(two, one))
    assert digests.canonical(example(one, two)) != digests.canonical(example(other, two))
    path = tmp_path / "examples.gz"
    framed = [len(each).to_bytes(8, "little") + bytes(4) + each + bytes(4) for each in (b"first", b"second" * 99)]
    path.write_bytes(gzip.compress(b"".join(framed)))
    assert list(digests.records(path)) == [b"first", b"second" * 99]


def layout(folder: Path, *files: str) -> Path:
    """Make a checkout of empty files."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return folder


FLAT = ("pipeline/__init__.py", "pipeline/__main__.py", "components/__init__.py", "data/__init__.py")


@pytest.mark.parametrize(
    ("more", "module"),
    [
        ((), "pipeline"),
        (("pipeline/public/__init__.py",), "modelmill.pipeline"),
        (("pipeline/public/__init__.py", "pipeline/public/__main__.py"), "modelmill"),
    ],
)
def test_the_program_of_either_layout_is_found(more: tuple[str, ...], module: str, tmp_path: Path) -> None:
    checkout = layout(tmp_path / "checkout", *FLAT, *more)
    path, found = checkouts.program(checkout, tmp_path / "scratch")
    assert found == module
    main = path / module.replace(".", "/") / "__main__.py"
    assert main.resolve().is_relative_to(checkout)
    if more:
        assert (path / "modelmill" / "data" / "__init__.py").read_text() == "# data/__init__.py\n"
        assert (path / "modelmill" / "__init__.py").read_text() == "# pipeline/public/__init__.py\n"


def test_a_folder_without_a_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no modelmill; found neither"):
        checkouts.program(tmp_path, tmp_path)


def test_an_unknown_commit_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="BASE=no-such-commit: give a commit"):
        checkouts.export("no-such-commit", tmp_path / "base")
