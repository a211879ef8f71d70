"""Every sample is read without TensorFlow and brings its card; one of a user's own is like them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelmill.data import sample_data
from modelmill.data.core import plugins

NAMES = plugins.names(sample_data.PACKAGE)
OWN = '''
"""Three words."""
from modelmill.data.sample_data import Sample


class Words(Sample):
    """Words, a folder a letter."""

    def write(self, folder):
        for word in ("one", "two", "three"):
            (folder / f"{word}.txt").write_text(word)
'''


@pytest.mark.parametrize("name", NAMES)
def test_its_card_is_the_docstring_of_its_file_and_names_where_it_comes_from(name: str) -> None:
    sample = sample_data.look_up(name)
    file = Path(str(sys.modules[type(sample).__module__].__file__))
    assert sample.card() == ast.parse(file.read_text(encoding="utf-8")).body[0].value.value  # type: ignore[attr-defined]
    assert "Source: " in sample.card() or "Made by `write`" in sample.card()


def test_none_needs_tensorflow_to_be_read() -> None:
    code = (
        "import sys; from modelmill.data import sample_data; from modelmill.data.core import plugins\n"
        "for name in plugins.names(sample_data.PACKAGE): sample_data.look_up(name)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ones_own_is_written_once_with_its_card(tmp_path: Path, plug_ins: Callable[[Path], None]) -> None:
    file = tmp_path / "own" / "samples" / "words.py"
    file.parent.mkdir(parents=True)
    file.write_text(OWN.lstrip())
    plug_ins(tmp_path / "own")
    written = sample_data.materialize("words", tmp_path)
    assert {path.name for path in written.iterdir()} == {"CARD.md", "one.txt", "two.txt", "three.txt"}
    assert (written / "CARD.md").read_text() == "# words\n\nThree words."
    (written / "one.txt").unlink()
    assert sample_data.materialize("words", tmp_path) == written and not (written / "one.txt").exists()
