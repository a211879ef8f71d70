"""Experiments that are no YAML, or are made to hurt: one line with the place, at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelmill.pipeline.experiment.errors import ExperimentError
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.experiment.yaml_tree import read

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
BAD = {
    "cut": ("data: {modality: image\nmodel: [\n", "line 2, column 6: expected ',' or '}'"),
    "tag of another type": ("data: !!int x\n", "invalid literal for int"),
    "unknown tag": ("data: !thing x\n", "line 1, column 7: could not determine a constructor"),
    "python object": ("data: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
    "a key that is a date": ("2024-01-01: x\n", "a key is a word"),
    "a key that stands twice": ("data: {}\ndata: {}\n", "line 2, column 1: key 'data' stands twice"),
    "a list as a key": ("? [a]\n: b\n", "line 1, column 3: a key is a word"),
    "deep": ("data: " + "[" * 5_000, "nested too deeply"),
    "bomb": (BOMB, "with its aliases"),
    "alias of itself": ("data: &a [*a, *a]\n", "with its aliases"),
    "control characters": ("data: \x01\n", "special characters are not allowed"),
    "tabs": ("data:\n\tmodality: image\n", "line 2, column 1: "),
    "unknown alias": ("data: *a\n", "undefined alias"),
    "a list": ("- data\n", "found list"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_what_is_no_experiment_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ExperimentError) as error:
        read(path, "bad.yaml")
    assert says in str(error.value) and len(str(error.value).splitlines()) == 2
    with pytest.raises(ExperimentError):
        load(str(path))


def test_aliases_that_are_few_mean_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("a: &a {b: [1, 2]}\nc: *a\n")
    assert read(path, "good.yaml") == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_a_folder_without_an_experiment_is_called_that(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"a folder without experiment.yaml; `modelmill new`"):
        load(str(tmp_path))
