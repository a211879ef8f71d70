"""Names of classes: what can be none is refused by row, and those that look the same are found."""

from __future__ import annotations

import pytest

from modelmill.data import label_names, task


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x00b", "a\x1bb", "\ud800", "a\tb"])
@pytest.mark.parametrize("asked", ["classification", "multilabel"])
def test_names_that_no_vocabulary_can_hold(name: str, asked: str) -> None:
    with pytest.raises(ValueError, match=r"the label .* holds"):
        task.look_up(asked).raw(f"x|{name}|y")


@pytest.mark.parametrize("name", ["cat", "Ulm (Donau)", "退款", "❤️", "a b", "1.5"])
def test_names_that_can_be(name: str) -> None:
    assert task.look_up("classification").raw(name) == name


def test_names_that_a_person_takes_for_one() -> None:
    names = ["Cat", "cat ", "dog", "1", "1.0", "01", "caf\u00e9", "cafe\u0301", "no", "yes", "\uff11x", "1x"]
    found = {frozenset(pair) for pair in label_names.similar(names)}
    assert found == {
        frozenset(map(repr, pair))
        for pair in [("Cat", "cat "), ("01", "1"), ("01", "1.0"), ("cafe\u0301", "caf\u00e9"), ("1x", "\uff11x")]
    }
