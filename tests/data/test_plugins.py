"""A user's own plug-ins: found, named in errors, counted in the cache's keys, and known to child processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.components import source_digest
from modelmill.components.compress import method
from modelmill.components.models import family
from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import ExperimentError, load

FAMILY = '''
"""One dense layer."""
from typing import Literal
from modelmill.components.models import family
from modelmill.components.models.families import _shared
from modelmill.data.spec import Spec

MODALITIES = ("image",)

class Config(family.FamilyConfig):
    """How wide."""
    family: Literal["tiny"] = "tiny"
    width: int = 4

def build(config: Config, spec: Spec):
    return _shared.NUMBER
'''
METHOD = '''
"""Does nothing."""
from typing import Literal
from modelmill.components.compress import method

FOLLOWS, NEEDS, UNDOES, EXPORTS = (), (), {}, False

class Config(method.MethodConfig):
    """It has no settings."""
    method: Literal["nothing"] = "nothing"

def tune(model, config, context):
    return context.copy(model)
'''
EXPERIMENT = """\
plugins: own
data: {modality: image, path: ., height: 8, width: 8}
model: {family: tiny, width: 5}
compress: {chains: [[nothing, int8]]}
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A folder of plug-ins beside an experiment."""
    folder = tmp_path / "own"
    for name, text in (
        ("families/tiny.py", FAMILY),
        ("families/_shared.py", "NUMBER = 1\n"),
        ("methods/nothing.py", METHOD),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    yield folder
    plugins.forget(folder)
    assert "tiny" not in plugins.names(family.PACKAGE) and not os.environ[plugins.ENV]


def test_an_experiment_brings_its_own(own: Path) -> None:
    found = load(str(own.parent / "experiment.yaml"))
    assert found.plugins == str(own) and found.model.model_dump()["width"] == 5
    assert "tiny" in plugins.names(family.PACKAGE) and "nothing" in plugins.names(method.PACKAGE)
    assert family.look_up("tiny").build(None, None) == 1  # type: ignore[arg-type]
    again = own.parent / "again.yaml"  # as a run's folder keeps it, elsewhere
    again.write_text(f"plugins: {found.plugins}\n" + EXPERIMENT.partition("\n")[2])
    assert load(str(again)).model == found.model
    code = (
        "from modelmill.components.models import family; print(family.look_up('tiny').Config().width);"
        "from modelmill.components import source_digest;"
        "print(source_digest.code('modelmill.components.models.families.tiny'))"
    )
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout.split() == ["4", source_digest.code("modelmill.components.models.families.tiny")]


def test_a_modality_of_ones_own_is_a_folder(own: Path) -> None:
    folder = own / "modalities" / "smell"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "notes.py").write_text("NOTES = 1\n")
    (folder / "modality.py").write_text("from modelmill.data.modalities.smell.notes import NOTES as PATTERN\n")
    plugins.use(own)
    assert "smell" in plugins.names(modality.PACKAGE)
    assert modality.look_up("smell").PATTERN == 1  # type: ignore[comparison-overlap]
    name = plugins.module_name(modality.PACKAGE, "smell")
    first = source_digest.code(name)
    (folder / "notes.py").write_text("NOTES = 2\n")
    assert source_digest.code(name) != first
    assert modality.look_up("smell").PATTERN == 2  # type: ignore[comparison-overlap]
    (own / "modalities" / "image").mkdir()
    plugins.forget(own)
    with pytest.raises(plugins.PlugInError, match=r"modalities/image has the name of .*data/modalities/image"):
        plugins.use(own)


def test_an_edit_counts_and_is_what_is_run(own: Path) -> None:
    load(str(own.parent / "experiment.yaml"))
    first = source_digest.code("modelmill.components.models.families.tiny")
    assert source_digest.code("modelmill.components.models.families.tiny") == first
    (own / "families" / "_shared.py").write_text("NUMBER = 2\n")  # of the same size, in the same second
    assert source_digest.code("modelmill.components.models.families.tiny") != first
    assert family.look_up("tiny").build(None, None) == 2  # type: ignore[arg-type]
    second = source_digest.code("modelmill.components.models.families.tiny")
    (own / "methods" / "nothing.py").write_text(METHOD + "\n")
    assert source_digest.code("modelmill.components.models.families.tiny") == second


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("families/tiny.py", "def build(:\n", "tiny.py can't be imported: SyntaxError: .*, line 1"),
        ("families/tiny.py", "import not_there\n", "tiny.py can't be imported: ModuleNotFoundError: .*not_there"),
        (
            "families/tiny.py",
            "MODALITIES = ('image',)\n",
            "tiny.py does not define Config, build; see docs/extending.md",
        ),
        ("methods/nothing.py", "EXPORTS = 1\n", "nothing.py does not define Config, FOLLOWS, NEEDS, UNDOES"),
        ("famlies/other.py", "", "unknown kind of plug-in 'famlies'; allowed: .*; did you mean 'families'?"),
        (
            "families/cnn.py",
            "",
            "own/families/cnn.py has the name of .*components/models/families/cnn.py; give it another",
        ),
    ],
)
def test_what_is_wrong_with_them_is_told_by_file(own: Path, file: str, text: str, told: str) -> None:
    (own / file).parent.mkdir(exist_ok=True)
    (own / file).write_text(text)
    with pytest.raises(ExperimentError, match=told):
        load(str(own.parent / "experiment.yaml"))


def test_a_folder_must_be_one_of_plug_ins(own: Path) -> None:
    for value, told in (("none", "there is no folder"), (".", "has none of the folders|unknown kind of plug-in")):
        with pytest.raises(ExperimentError, match=told):
            load(str(own.parent / "experiment.yaml"), [f"plugins={value}"])
