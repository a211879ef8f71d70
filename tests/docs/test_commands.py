"""The command blocks of README and docs, run with the words that stand there: what a new user types, then the rest.

In one process and one scratch folder. Each block is run, but for those that say no-run and what RUN_ELSEWHERE names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmill.data.core import plugins
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.records import run as results
from tests.docs import outputs
from tests.docs.pages import PAGES, ROOT, commands, name, run_commands
from tests.pipeline.tables import long, people

FIRST = ROOT / "docs" / "first-project.md"
# What makes a run quick; whether it learns is asked elsewhere.
QUICK = (
    "train.epochs=1",
    "evaluate.threshold=0",
    "compress.chains=[[dynamic_range],[float16]]",
    "compress.max_drop=1",
    "compress.margin=1",
)
# These need no run.
CHEAP = ("show", "compile", "preview", "check", "schema", "doctor", "list")
# What they make is looked at by those that come after them.
MAKING = ("new", "run")
# By docs/examples/own/test_own.py; it takes a minute.
RUN_ELSEWHERE = [["run", "docs/examples/own/experiment.yaml", "--set", "train.epochs=5"]]
IMAGE = "registry.example/modelmill:0.1.0"

WORDS = [(name(page), words) for page in PAGES if page != FIRST for words in run_commands(page)]
CHEAP_WORDS = [(page, words) for page, words in WORDS if words[0] in CHEAP and "my-project" not in words]
COMPILED = [(name(page), words) for page in PAGES for words in commands(page) if words[:2] == ["compile", "digits-cnn"]]


def modelmill(*words: str) -> str:
    """Its stdout."""
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exit_code == 0, f"{' '.join(words)}: {done.output} {done.exception!r}"
    return done.stdout


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Iterator[Path]:
    """The working directory, with what the docs speak of: photos of two classes, tables, the example of extending."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("scratch")
    for label, shown in (("rows", "cat"), ("columns", "dog")):
        (folder / "my-photos" / shown).mkdir(parents=True)
        for number in range(60):
            with Image.open(image_folder / label / f"{number}.png") as image:
                image.save(folder / "my-photos" / shown / f"{number:03}.jpg", quality=95)
    people(folder)
    long(folder).rename(folder / "machines.csv")
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["modelmill"])
        yield folder
    plugins.forget(folder / "docs" / "examples" / "own" / "plugins")


@pytest.mark.parametrize(("page", "words"), CHEAP_WORDS, ids=[" ".join(words) for _, words in CHEAP_WORDS])
def test_what_needs_no_run(scratch: Path, page: str, words: list[str]) -> None:
    outputs.check(words, modelmill(*words))


@pytest.mark.parametrize(("page", "words"), COMPILED, ids=[" ".join(words) for _, words in COMPILED])
def test_what_is_compiled(scratch: Path, page: str, words: list[str]) -> None:
    outputs.check(words, modelmill(*(IMAGE if word == "..." else word for word in words)))


@pytest.mark.slow
def test_what_a_new_user_types_and_then_all_others(scratch: Path, capfd: pytest.CaptureFixture[str]) -> None:
    quick = [word for one in QUICK for word in ("--set", one)]
    told: dict[str, str] = {}
    for words in run_commands(FIRST):
        told[" ".join(words[:2])] = modelmill(*words, *(quick if words[0] == "run" else ()))
        if words[0] not in MAKING:
            outputs.check(words, told[" ".join(words[:2])])
    _looks_as_it_should(told)

    modelmill("run", "digits-cnn", *quick)  # make run
    modelmill("run", "digits-cnn", *quick)
    runs = [str(run.folder) for run in results.every(Path("runs")) if run.experiment == "digits-cnn"]
    # A schema is inferred by a part of the chain, which is then the newest run: reports come before it.
    for _, words in sorted(WORDS, key=lambda item: item[1][0] == "schema"):
        typed = [word for word in words if word != "RUN" and not word.startswith("digits-cnn/2026")]
        if typed[0] == "new" or words in RUN_ELSEWHERE or words in run_commands(FIRST):
            continue
        if (words[0] in CHEAP and "my-project" not in words) or words[0] == "run":
            continue
        typed += runs[-2:] if "--compare" in words else []
        outputs.check(typed, modelmill(*typed))
    statuses = [run.status for run in results.every(Path("runs")) if run.experiment == "digits-cnn"]
    assert statuses == ["pushed"] * 3, "run, run again, and the other candidate"


def _looks_as_it_should(told: dict[str, str]) -> None:
    """What a new user sees, and finds."""
    assert "120 examples of 2 classes" in told["new my-project"]
    assert [path.name for path in Path("my-project").iterdir() if path.suffix == ".html"] == [], "no page in a project"
    assert Path("my-project-preview.html").is_file()
    assert json.loads(told["predict runs/my-project/pushed/1"])["label"] in ("cat", "dog")
    assert " pushed " in told["runs"]
    assert "nothing to delete" in told["clean --keep"]
    assert "task: classification" in told["new people"] and "series: machine" in told["new machines"]


def test_no_command_is_left_out() -> None:
    known = {words[0] for _, words in WORDS} | {words[0] for words in run_commands(FIRST)}
    assert {"new", "check", "preview", "run", "report", "runs", "predict", "clean", "push", "schema", "show"} <= known
    assert [words for _, words in WORDS if words[0] == "run" and words not in RUN_ELSEWHERE] == [["run", "my-project"]]
    assert all(words in [found for _, found in WORDS] for words in RUN_ELSEWHERE)
