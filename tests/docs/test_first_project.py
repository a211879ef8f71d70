"""docs/first-project.md, line by line, in one process: what a new user types works, and leaves what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import cli, results
from tests.docs.pages import ROOT, commands

pytestmark = pytest.mark.slow

# What makes it quick; whether it learns is asked elsewhere.
QUICK = (
    "--set train.epochs=2 --set evaluate.threshold=0 --set compress.chains=[[dynamic_range]] --set compress.margin=1"
)


def modelmill(*words: str) -> Any:
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exit_code == 0, f"{' '.join(words)}: {done.output} {done.exception!r}"
    return done


def test_what_a_new_user_types(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for label, shown in (("rows", "cat"), ("columns", "dog")):
        (tmp_path / "my-photos" / shown).mkdir(parents=True)
        for number in range(60):
            with Image.open(image_folder / label / f"{number}.png") as image:
                image.save(tmp_path / "my-photos" / shown / f"{number:03}.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["modelmill"])
    quick = [word for one in QUICK.split() for word in ("--set", one)]
    told = {}
    for words in commands(ROOT / "docs" / "first-project.md"):
        more = quick if words[0] == "run" else []
        told[" ".join(words[:2])] = modelmill(*words, *more).stdout
    assert "120 examples of 2 classes" in told["new my-project"]
    assert "wrong" not in told["check my-project"]
    assert Path(told["report my-project"].strip()).is_file() and Path("my-project-preview.html").is_file()
    assert json.loads(told["predict runs/my-project/pushed/1"])["label"] in ("cat", "dog")
    assert " pushed " in told["runs"]
    assert "nothing to delete" in told["clean --keep"]

    # The real chain, too, is still all cached when what others had made is gone.
    modelmill("run", "my-project", *quick, "--set", "train.epochs=1", "--to", "train")
    modelmill("run", "my-project", *quick, "--to", "statistics")
    models = Path("runs/my-project/artifacts/train/model")
    assert len(list(models.iterdir())) == 2
    modelmill("clean", "--keep", "1", "--yes")
    assert len(list(models.iterdir())) == 1
    modelmill("run", "my-project", *quick)
    last = results.every(Path("runs"))[-1]
    assert last.status == "pushed" and {node.state for node in last.nodes} == {"cached"}
    shutil.rmtree("runs")
