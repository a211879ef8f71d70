"""The docs can't go stale: commands are read by the command line's own parser, links lead somewhere, errors exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from modelmill.components.models import family
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.experiment.experiment import load
from tests.docs.pages import COMMANDS, FENCE, LINK, PAGES, ROOT, blocks, commands, name

ALL = [(name(page), words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), ALL, ids=[f"{page}: {' '.join(words)}" for page, words in ALL])
def test_every_command_is_one_that_the_command_line_takes(page: str, words: list[str]) -> None:
    main: Any = typer.main.get_command(cli.app)
    with main.make_context("modelmill", list(words)) as context:
        found, command, rest = main.resolve_command(context, list(words))
        with command.make_context(found, list(rest), parent=context):
            pass


def test_the_docs_are_full_of_commands() -> None:
    known = {words[0] for _, words in ALL}
    assert {"run", "new", "check", "report", "predict", "runs", "clean", "compile", "submit"} <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist_and_blocks_say_whether_they_are_run(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for told, text in blocks(page, "sh"):
        assert told in ("", "no-run"), told
        for line in text.splitlines():
            if line.startswith("make "):
                assert line.split()[1] in targets, line
            elif not told and line.strip() and not line.startswith("#"):
                assert line.strip().startswith(COMMANDS), f"mark it `sh no-run`: {line}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


def test_every_page_is_in_the_index_or_in_that_of_its_folder() -> None:
    index = {(ROOT / "docs" / path).resolve() for path in LINK.findall((ROOT / "docs" / "README.md").read_text())}
    below = {
        (page.parent / path).resolve()
        for page in (ROOT / "docs").rglob("*/README.md")
        for path in LINK.findall(page.read_text())
    }
    # docs/data/README.md says that each modality has its page there.
    asked = [page for page in PAGES if page.name != "README.md" and page.parent != ROOT / "docs" / "data"]
    assert not [page for page in asked if page not in index | below]


def test_the_example_of_extending_is_the_one_that_is_tested() -> None:
    shown = [text for _, text in blocks(ROOT / "docs" / "extending.md", "python")]
    shown += [text for _, text in blocks(ROOT / "docs" / "extending.md", "yaml")]
    own = ROOT / "docs" / "examples" / "own"
    for path in [*own.rglob("*.py"), own / "experiment.yaml"]:
        assert path.read_text(encoding="utf-8") in shown, f"docs/extending.md shows another {path.name}"


def test_the_whole_experiment_of_the_docs_is_a_valid_one(tmp_path: Path) -> None:
    ((_, text),) = blocks(ROOT / "docs" / "experiment.md", "yaml")
    (tmp_path / "my-photos").mkdir()
    (tmp_path / "my.yaml").write_text(text)
    assert load(str(tmp_path / "my.yaml")).train.epochs == 60
    # Each field that stands there as a comment is one, too.
    for section, tree in {"data": "max_bad_fraction", "compress": "max_bytes"}.items():
        assert tree in type(getattr(load(str(tmp_path / "my.yaml")), section)).model_fields


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_sections_of_experiments_in_the_docs_have_no_unknown_keys(page: Path, tmp_path: Path) -> None:
    for _, text in blocks(page, "yaml"):
        tree = yaml.safe_load(text)
        if "name" in tree or ("model" in tree and "data" in tree):
            continue  # a whole one: tested above, or as an example
        data = {"modality": "image", "path": ".", "height": 32, "width": 32, **tree.pop("data", {})}
        if data["modality"] != "image":
            data = {key: value for key, value in data.items() if key not in ("height", "width")}
        (tmp_path / str(data["path"])).mkdir(exist_ok=True)
        model = tree.pop("model", {"family": family.taking(data["modality"])[0]})
        (tmp_path / "some.yaml").write_text(yaml.safe_dump({**tree, "data": data, "model": model, "plugins": None}))
        load(str(tmp_path / "some.yaml"))


def sources() -> list[ast.Module]:
    files = [path for package in ("pipeline", "components", "data") for path in (ROOT / package).rglob("*.py")]
    return [ast.parse(path.read_text(encoding="utf-8")) for path in files]


def table(head: str) -> list[list[str]]:
    """What stands in backquotes in the first column of the table below a heading."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").partition(f"## {head}\n")[2]
    rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows]


def test_every_kind_of_error_has_its_remedy() -> None:
    kinds = {
        node.name
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }
    told = {kind for row in table("By kind") for kind in row}
    assert kinds == told, "docs/troubleshooting.md, 'By kind': say there what to do about a new kind of error"


def test_every_message_of_troubleshooting_is_still_said() -> None:
    said = "\n".join(
        node.value
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    for messages in table("By message"):
        assert any(message in said for message in messages), messages
