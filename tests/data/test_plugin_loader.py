"""The loader holds each plug-in to its kind's base class: what is missing, misspelt or called otherwise is named."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from modelmill.data.core import plugin_base, plugins
from modelmill.data.core.config import Strict
from modelmill.data.core.plugin_base import Plugin
from modelmill.data.core.plugins import PlugInError, UnknownNameError

Write = Callable[[str, str], None]


class Shape(Plugin[Strict]):
    """A kind for this test."""

    KIND = "shape"
    PACKAGE = "modelmill.data.samples"
    REQUIRED = ("SIDES",)
    SIDES: ClassVar[int]

    @abstractmethod
    def area(self, side: float) -> float:
        """Return the area."""

    def colour(self, bright: bool) -> str:
        """Return the colour; white by default."""
        return "white"


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write a plug-in's body into a folder that is in use."""
    folder = tmp_path / "own" / "samples"
    folder.mkdir(parents=True)
    plugins.use(folder.parent)

    def file(name: str, body: str) -> None:
        (folder / f"{name}.py").write_text(f"from {__name__} import Shape\n{body}")

    yield file
    plugins.forget(folder.parent)


SQUARE = "class Square(Shape):\n    SIDES = 4\n    def area(self, side): return side * side\n"


def test_a_plug_in_is_one_instance_with_its_name_and_the_defaults(write: Write) -> None:
    write("square", SQUARE)
    found = plugin_base.get(Shape, "square")
    assert (found.name, found.area(3), found.colour(True)) == ("square", 9, "white")
    assert found.Config() == Strict() and plugin_base.get(Shape, "square") is found


def test_an_edited_class_is_the_one_that_is_given(write: Write) -> None:
    write("square", SQUARE)
    assert plugin_base.get(Shape, "square").area(3) == 9
    write("square", SQUARE.replace("side * side", "side + side"))
    assert plugin_base.get(Shape, "square").area(3) == 6


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def area(side): return 1\n", "must define one subclass of .*Shape, found none"),
        (SQUARE + SQUARE.replace("Square", "Other"), "must define one subclass .* found Square, Other"),
        ("class Square(Shape):\n    SIDES = 4\n", "Square: area is missing"),
        ("class Square(Shape):\n    def area(self, side): return 1\n", "Square: SIDES is missing"),
        (SQUARE + "    def color(self, bright): return 'red'\n", "color is not asked for; did you mean 'colour'"),
        (SQUARE.replace("self, side", "self"), r"area\(self\) must take \(self, side\)"),
        (SQUARE.replace("self, side", "self, side, height"), r"area\(self, side, height\) must take"),
        (SQUARE.replace("side", "length"), r"must take \(self, side\), by these names"),
        ("class Square(Shape):\n    SIDES = 4\n    area = 4\n", "area must be a method, found int"),
    ],
)
def test_what_does_not_keep_the_base_class_is_named(write: Write, body: str, says: str) -> None:
    write("square", body)
    with pytest.raises(PlugInError, match=says) as found:
        plugin_base.get(Shape, "square")
    assert "square.py" in str(found.value) and "docs/extending.md" in str(found.value)


def test_helpers_of_a_plug_in_are_its_own_business(write: Write) -> None:
    write("square", SQUARE + "    def diagonal(self, side): return 1.41 * side\n")
    assert plugin_base.get(Shape, "square").area(2) == 4
    with pytest.raises(UnknownNameError, match=r"unknown shape 'squar'; allowed: .*did you mean 'square'"):
        plugin_base.get(Shape, "squar")
