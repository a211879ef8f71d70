"""A user's own plug-ins: found, named in errors, counted in the cache's keys, and known to child processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmill.components import source_digest
from modelmill.components.compress import method
from modelmill.components.compress.search_config import SpaceConfig
from modelmill.components.models import family
from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.pipeline.cli.app import app
from modelmill.pipeline.experiment.experiment import ExperimentError, load

FAMILY = '''
"""One dense layer."""
from typing import Literal
from modelmill.components.models import family
from modelmill.components.models.families import _shared
from modelmill.data.spec import Spec

class TinyConfig(family.FamilyConfig):
    """How wide."""
    family: Literal["tiny"] = "tiny"
    width: int = 4

class Tiny(family.Family[TinyConfig]):
    """One dense layer."""
    Config = TinyConfig
    MODALITIES = ("image",)

    def build(self, config: TinyConfig, spec: Spec):
        return _shared.NUMBER
'''
METHOD = '''
"""Does nothing."""
from typing import Literal
from modelmill.components.compress import method

class NothingConfig(method.MethodConfig):
    """It has no settings."""
    method: Literal["nothing"] = "nothing"

class Nothing(method.Method[NothingConfig]):
    """Does nothing."""
    Config = NothingConfig

    def tune(self, model, config, context):
        return context.copy(model)
'''
MODALITY = '''
"""Smells."""
from modelmill.data.config import DataConfig
from modelmill.data.modality import Modality
from modelmill.data.modalities.smell.notes import NOTES
from modelmill.data.policy import Policy

class SmellConfig(DataConfig):
    """No settings."""

class Smell(Modality[SmellConfig]):
    """It does nothing."""
    Config, Policy = SmellConfig, Policy
    PATTERN = f"*/*.{NOTES}"
    DESCRIBED = ("smell", "label")
    INPUT = "smell"
    CLIENT = "modelmill.data.modalities.smell.client"
    def _nothing(self, *more): pass
    examples = preprocess = describe = features = from_transformed = augment = encode = decode = _nothing
    filename = client_config = _nothing
    def show(self, input, config): pass
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
    (folder / "modality.py").write_text(MODALITY)
    plugins.use(own)
    assert "smell" in plugins.names(modality.PACKAGE)
    assert modality.look_up("smell").PATTERN == "*/*.1"
    name = plugins.module_name(modality.PACKAGE, "smell")
    first = source_digest.code(name)
    (folder / "notes.py").write_text("NOTES = 2\n")
    assert source_digest.code(name) != first
    assert modality.look_up("smell").PATTERN == "*/*.2"
    (own / "modalities" / "image").mkdir()
    plugins.forget(own)
    with pytest.raises(plugins.PlugInError, match=r"modalities/image has the name of .*data/modalities/image"):
        plugins.use(own)


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        (
            "    INPUT = ",
            "    INPUTS = ",
            "Smell: INPUT is missing; INPUTS is not asked for; did you mean 'INPUT'",
        ),
        ("    Config, Policy = SmellConfig, ", "    Policy = ", "Smell: Config is missing; see docs/extending.md"),
        ("    filename = ", "    _filename = ", "Smell: filename is missing; see docs"),
        (
            "def show(self, input, config)",
            "def show(self, input)",
            r"show\(self, input\) must take \(self, input, config\)",
        ),
        ("class Smell(", "class _Smell(", "must define one subclass of modelmill.data.modality.Modality, found none"),
    ],
)
def test_what_is_wrong_with_a_modality_is_told_in_one_line(own: Path, good: str, bad: str, told: str) -> None:
    folder = own / "modalities" / "smell"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "notes.py").write_text("NOTES = 1\n")
    assert good in MODALITY
    (folder / "modality.py").write_text(MODALITY.replace(good, bad))
    (own.parent / "experiment.yaml").write_text(EXPERIMENT.replace("modality: image", "modality: smell"))
    with pytest.raises(ExperimentError, match=told) as found:
        load(str(own.parent / "experiment.yaml"))
    lines = str(found.value).strip().splitlines()
    assert [line for line in lines if "smell/modality.py" in line] == lines[-1:]


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
        ("families/tiny.py", "WIDTH = 4\n", r"tiny.py must define one subclass of .*family.Family, found none"),
        (
            "families/tiny.py",
            FAMILY.replace("def build", "def _build"),
            "tiny.py: Tiny: build is missing; see docs/extending.md",
        ),
        (
            "families/tiny.py",
            FAMILY + "    def lern_rate_factors(self, config): return None\n    def chek(self, config, spec): pass\n",
            "lern_rate_factors is not asked for; did you mean 'learning_rate_factors'.*chek .*did you mean 'check'",
        ),
        (
            "families/tiny.py",
            FAMILY.replace("spec: Spec", "data: Spec"),
            r"build\(self, config, data\) must take \(self, config, spec\), by these names",
        ),
        ("families/tiny.py", FAMILY.replace('("image",)', '"image"'), "MODALITIES must be a tuple .*, found 'image'"),
        (
            "families/tiny.py",
            FAMILY.replace("    Config = TinyConfig\n", ""),
            "Config must be a subclass of FamilyConfig, found Strict",
        ),
        (
            "methods/nothing.py",
            METHOD.replace("def tune", "def _tune"),
            "nothing.py: Nothing: it neither changes nor exports the model: tune or export is missing",
        ),
        (
            "methods/nothing.py",
            METHOD.replace("def tune(self, model, config, context)", "def tune(self, model, config)"),
            r"tune\(self, model, config\) must take \(self, model, config, context\)",
        ),
        (
            "methods/nothing.py",
            METHOD + "    FOLOWS = ('prune',)\n",
            "FOLOWS is not asked for; did you mean 'FOLLOWS'",
        ),
        ("methods/nothing.py", METHOD + "    EXPORTS = True\n", "EXPORTS is True, but export is missing"),
        (
            "methods/nothing.py",
            METHOD.replace("def tune", "def export"),
            "export is never called: set EXPORTS = True",
        ),
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


def test_a_search_takes_an_export_and_an_awareness_of_ones_own(own: Path) -> None:
    plugins.use(own)
    export = METHOD.replace("def tune", "def export").replace("nothing", "flat").replace("Nothing", "Flat")
    (own / "methods" / "flat.py").write_text(export + "    EXPORTS = True\n")
    space = SpaceConfig.model_validate({"export": ["flat"]})
    assert space.chain({"prune": 0.5, "export": "flat"}, {})[-1] == {"method": "flat"}
    with pytest.raises(ValueError, match="unknown export 'nothing'; allowed: aware, dynamic_range, flat, "):
        SpaceConfig.model_validate({"export": ["nothing"]})
    aware = (own / "methods" / "nothing.py").read_text().replace("(method.MethodConfig)", "(fine_tuning.TunedConfig)")
    aware = f"from modelmill.components.models.training import fine_tuning\n{aware}"
    (own / "methods" / "nothing.py").write_text(aware + "    PRESERVES = ('structured',)\n")
    assert space.chain({"structured": 0.5, "export": "aware"}, {})[-1]["method"] == "nothing"
    (own / "methods" / "nothing.py").write_text(aware + "    PRESERVES = ()\n")
    with pytest.raises(plugins.PlugInError, match=r"aware after nothing must be one method, .* found nothing, qat"):
        space.chain({"export": "aware"}, {})


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("file", "text"), [("families/tiny.py", FAMILY.replace("def build", "def built")), ("methods/nothing.py", "")]
)
def test_a_broken_one_ends_a_command_as_any_problem_of_an_experiment(
    own: Path, file: str, text: str, command: str
) -> None:
    (own / file).write_text(text)
    result = CliRunner().invoke(app, [command, str(own.parent / "experiment.yaml")])
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    count, problem = result.output.strip().splitlines()
    assert count.endswith("experiment.yaml: 1 problem") and str(own / file) in problem


LOOP = "from modelmill.components.models.training.loop import Loop\nclass Mine(Loop):\n    "
STRATEGY = "from modelmill.components.models.training.strategy import Strategy\nclass Mine(Strategy):\n    "
SAMPLE = "from modelmill.data.sample_data import Sample\nclass Mine(Sample):\n    "


@pytest.mark.parametrize(
    ("folder", "field", "text", "told"),
    [
        ("loops", "train.loop", "import not_there\n", "mine.py can't be imported: ModuleNotFoundError"),
        ("loops", "train.loop", f"{LOOP}pass\n", "Mine: loss is missing; see docs/extending.md"),
        (
            "loops",
            "train.loop",
            f"{LOOP}def loss(self, labels): ...\n",
            "must take .self, config, update, step",
        ),
        ("strategies", "train.strategy", "1 +\n", "mine.py can't be imported: SyntaxError: .*, line 1"),
        ("strategies", "train.strategy", f"{STRATEGY}pass\n", "Mine: make is missing"),
        ("samples", "data.sample", "def write(folder): ...\n", "must define one subclass of .*Sample, found none"),
        ("samples", "data.sample", f"{SAMPLE}pass\n", "Mine: write is missing"),
    ],
)
def test_a_broken_loop_strategy_or_sample_is_one_line(own: Path, folder: str, field: str, text: str, told: str) -> None:
    (own / folder).mkdir()
    (own / folder / "mine.py").write_text(text)
    sets = ["--set", f"{field}=mine", "--set", f"data.path={'null' if folder == 'samples' else '.'}"]
    done = CliRunner().invoke(app, ["show", str(own.parent / "experiment.yaml"), *sets])
    assert done.exit_code == 2
    head, problem, *rest = done.stderr.splitlines()
    assert head.endswith("1 problem") and not rest
    assert re.search(told, problem) and f"{own / folder / 'mine.py'}" in problem


def test_a_folder_must_be_one_of_plug_ins(own: Path) -> None:
    for value, told in (("none", "there is no folder"), (".", "has none of the folders|unknown kind of plug-in")):
        with pytest.raises(ExperimentError, match=told):
            load(str(own.parent / "experiment.yaml"), [f"plugins={value}"])
