"""The command line, mostly as a process of its own: exit codes, streams, and how fast it answers."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelmill.pipeline.experiment import experiment
from modelmill.pipeline.layout import NODES, Folders

# Stands for what is pushed: the real client is tested where it is made.
CLIENT = """
import json, sys
for file in sys.argv[1:]:
    if "bad" in file:
        print(f"INFO: kernels", file=sys.stderr)
        print(f"{file}: no image", file=sys.stderr)
        sys.exit(2)
    if "worse" in file:
        raise OSError(file)
    print(json.dumps({"file": file, "label": "7", "probabilities": {"1": 0.2, "7": 0.75, "9": 0.05}}))
"""


def modelmill(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs it without a terminal."""
    command = [sys.executable, "-m", "modelmill", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)  # type: ignore[call-overload]


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A folder of versions with one in it."""
    (tmp_path / "pushed" / "1").mkdir(parents=True)
    (tmp_path / "pushed" / "1" / "client.py").write_text(CLIENT)
    (tmp_path / "a.png").touch()
    (tmp_path / "bad.png").touch()
    (tmp_path / "worse.png").touch()
    return tmp_path / "pushed"


def test_help_answers_without_tensorflow() -> None:
    done = modelmill("--help")
    assert done.returncode == 0
    for word in ("run", "list", "predict", "preview", "show", "doctor", "--version"):
        assert word in done.stdout
    code = (
        "import sys\n"
        "from modelmill.pipeline.cli import app as cli\n"
        "sys.argv = ['modelmill', 'run', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'tfx', 'apache_beam', 'yaml', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_version_and_list() -> None:
    assert modelmill("--version").stdout.startswith("modelmill 0.")
    lines = modelmill("list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [head["name"] for head in experiment.shipped()]
    assert all(len(line.split("\t")) == 6 for line in lines)


@pytest.mark.parametrize("name", [head["name"] for head in experiment.shipped()])
def test_show_fills_in_all_defaults_and_means_the_same(tmp_path: Path, name: str) -> None:
    done = modelmill("show", name, "--set", "train.epochs=61")
    assert done.returncode == 0
    (tmp_path / f"{name}.yaml").write_text(done.stdout)
    again = experiment.load(str(tmp_path / f"{name}.yaml"))
    assert again == experiment.load(name, ["train.epochs=61"])
    for line in ("  epochs: 61", "  xla: false", "    warmup: ", "  max_bytes: null", "    name: auto"):
        assert line in done.stdout
    wrong = modelmill("show", name, "--set", "train.epocs=1")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "did you mean 'epochs'" in wrong.stderr


def test_wrong_input_is_exit_2_before_anything_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("data: {modality: image, sample: digits, hight: 8}\nmodel: {family: cmn}\n")
    cases = [
        (["run"], "Missing argument"),
        (["run", "digits-cn"], "did you mean 'digits-cnn'?"),
        (["run", tmp_path / "none.yaml"], "there is no such file"),
        (["run", bad], "data.hight: unknown key"),
        (["run", "digits-cnn", "--set", "train.epocs=1"], "did you mean 'epochs'?"),
        (["run", "digits-cnn", "--set", "train.epochs"], "give key.sub=value"),
        (["run", "digits-cnn", "--to", "trian"], "--to: unknown node 'trian'"),
        (["run", "digits-cnn", "--from", "evaluate_compressed"], "did you mean 'evaluate-compressed'?"),
        (["run", "digits-cnn", "--from", "push", "--to", "train"], "--from push comes after --to train"),
        (["frobnicate"], "frobnicate"),
    ]
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # tells on standard error what is imported
    for arguments, text in cases:
        done = modelmill(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert text in done.stderr, arguments
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
        assert "modelmill" in imported and not {"tensorflow", "tfx", "apache_beam"} & imported
    assert not (tmp_path / "runs").exists()


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("data: {modality: image, sample: digits, hight: 8}\nmodel: {family: cmn}\ntrian: {}\n")
    told = modelmill("run", bad).stderr
    assert "bad.yaml: 5 problems\n" in told
    for where in ("data.hight", "data.height", "data.width", "model.family", "trian"):
        assert f"  {where}: " in told


def test_a_second_run_at_the_same_time_is_exit_2(tmp_path: Path) -> None:
    folders = Folders(tmp_path, "digits-cnn")
    folders.experiment.mkdir()
    with folders.lock.open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        done = modelmill("run", "digits-cnn", "--root", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "process 4711" in done.stderr


def test_predict_gives_json_lines(pushed: Path) -> None:
    done = modelmill("predict", pushed / "1", pushed.parent / "a.png", pushed.parent / "a.png")
    assert done.returncode == 0
    (line, _) = map(json.loads, done.stdout.splitlines())
    assert (line["file"], line["label"]) == (str(pushed.parent / "a.png"), "7")


def test_predict_gives_a_table_on_a_terminal(pushed: Path) -> None:
    main, second = pty.openpty()
    command = [sys.executable, "-m", "modelmill", "predict", pushed / "1", pushed.parent / "a.png"]
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    subprocess.run(command, stdout=second, env=environment, check=True)
    os.close(second)
    text = os.read(main, 10_000).decode()
    os.close(main)
    assert "probability" in text and "0.750" in text and "1 0.200, 9 0.050" in text


def test_predict_on_what_is_not_there(pushed: Path) -> None:
    picture = pushed.parent / "a.png"
    (pushed.parent / "nothing").mkdir()
    cases = [
        (pushed / "2", picture, 2, "no pushed version"),
        (pushed, picture, 2, f"give one of its versions, such as {pushed / '1'}"),
        (pushed / "1", pushed.parent / "b.png", 2, "b.png: there is no such file"),
        (pushed / "1", pushed.parent / "nothing", 2, "nothing: there are no files in it"),
        (pushed / "1", pushed.parent / "bad.png", 2, "bad.png: no image"),
        (pushed / "1", pushed.parent / "worse.png", 1, "OSError"),
    ]
    for version, file, code, text in cases:
        done = modelmill("predict", version, file)
        assert (done.returncode, done.stdout) == (code, ""), text
        assert text in done.stderr
        assert "INFO" not in done.stderr


def test_predict_takes_folders_and_writes_files(pushed: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name in ("more/b.png", "a.png", ".hidden.png", "-c.png", "[i]d.png"):
        (folder / name).write_bytes((pushed.parent / "a.png").read_bytes())
    done = modelmill("predict", pushed / "1", folder)
    names = ["-c.png", "[i]d.png", "a.png", "more/b.png"]
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(folder / name) for name in names]
    assert json.loads(modelmill("predict", pushed / "1", "--", "-c.png", cwd=folder).stdout)["file"] == "./-c.png"
    for suffix in ("jsonl", "csv", "parquet"):
        made = tmp_path / f"answers.{suffix}"
        assert f"{made}: 4 answers" in modelmill("predict", pushed / "1", folder, "-o", made).stdout
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == [str(folder / name) for name in names]
    table = parquet.read_table(tmp_path / "answers.parquet").to_pylist()
    assert table[0]["label"] == rows[0]["label"] and table[0]["probabilities.7"] == rows[0]["probabilities"]["7"]
    header, *lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert header.startswith("file,label,probabilities.") and len(lines) == 4
    refused = modelmill("predict", pushed / "1", folder, "-o", tmp_path / "answers.xlsx")
    assert refused.returncode == 2 and "allowed are files called .jsonl, .csv, .parquet" in refused.stderr
    assert "[i]d.png" in on_a_terminal("predict", str(pushed / "1"), str(folder / "[i]d.png"))


# What the clients print for each task (data/modalities/*/client.py), and what a person sees of it.
ANSWERS = [
    ({"prediction": {"prediction": 152.25}}, ("prediction", "152.25")),
    ({"score": {"score": 0.0123456}}, ("score", "0.0123456")),
    ({"probabilities": {"a": 0.1, "b": 0.9, "c": 0.75}}, ("labels", "b 0.900, c 0.750", "a 0.100")),
    ({"probabilities": {"a": 0.1, "b": 0.2}}, ("labels", "none", "b 0.200, a 0.100")),
    ({"label": "a", "probabilities": {"a": 0.75, "b": 0.25}}, ("label", "0.750", "b 0.250")),
]


@pytest.mark.parametrize(("answer", "wanted"), ANSWERS)
def test_what_is_shown_suits_the_task(pushed: Path, answer: dict[str, Any], wanted: tuple[str, ...]) -> None:
    line = json.dumps({"file": "rows.csv:2", **answer})
    (pushed / "1" / "client.py").write_text(f"print({line!r})")
    text = on_a_terminal("predict", str(pushed / "1"), str(pushed.parent / "a.png"))
    assert all(part in text for part in ("rows.csv:2", *wanted)), text
    assert json.loads(modelmill("predict", pushed / "1", pushed.parent / "a.png").stdout) == json.loads(line)


def test_one_file_that_cannot_be_read_does_not_hide_the_answers_to_the_others(pushed: Path) -> None:
    told = 'print(\'{"file": "a", "score": {"score": 1.0}}\')'
    code = f'import sys\n{told}\nprint("b: no CSV", file=sys.stderr)\nsys.exit(2)'
    (pushed / "1" / "client.py").write_text(code)
    done = modelmill("predict", pushed / "1", pushed.parent / "a.png")
    assert done.returncode == 2 and '"score": 1.0' in done.stdout and "b: no CSV" in done.stderr


def test_newer_versions_count_higher(pushed: Path) -> None:
    for number in (2, 10):
        (pushed / str(number)).mkdir()
        (pushed / str(number) / "client.py").touch()
    assert f"such as {pushed / '10'}" in modelmill("predict", pushed, pushed / "x").stderr


def test_a_version_without_its_client_is_damaged(pushed: Path) -> None:
    listed = {"files": {"client.py": {"sha256": "0" * 64}}, "client": "client.py", "flatbuffer": {}, "labels": None}
    (pushed / "1" / "manifest.json").write_text(json.dumps(listed))
    (pushed / "1" / "client.py").unlink()
    done = modelmill("predict", pushed / "1", pushed.parent / "a.png")
    assert done.returncode == 1 and "damaged: client.py" in done.stderr


def test_the_static_list_of_nodes_is_the_chain(tmp_path: Path) -> None:
    from modelmill.pipeline import graph

    def built(*overrides: str) -> dict[str, dict]:
        loaded = experiment.load("digits-cnn", list(overrides))
        nodes = graph.build(loaded, Folders(tmp_path, "digits-cnn")).components
        assert sorted(loaded.nodes) == sorted(node.id for node in nodes)
        return {node.id: node.exec_properties for node in nodes}

    online, written = built(), built("augment.mode=materialized")
    assert set(NODES) == set(written) == {"augment", *online}
    # Each change is a property of the node that makes it, and of no other.
    for override, changed in (
        ("augment.rotation=1", {"augment"}),
        ("augment.copies=7", {"augment"}),
        ("augment.mixup=1", {"train", "compress"}),
    ):
        other = built("augment.mode=materialized", override)
        assert {name for name in written if written[name] != other[name]} == changed
    done = modelmill("run", "digits-cnn", "--from", "augment")
    assert done.returncode == 2 and "augment.mode: materialized" in done.stderr


def test_editing_what_the_evaluator_takes_from_us_makes_it_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfx.dsl.compiler.compiler import Compiler

    from modelmill.components import source_digest
    from modelmill.pipeline import graph

    def keyed() -> dict[str, bytes]:
        """Of each node what TFX's cache key is made of besides its inputs."""
        made = Compiler().compile(graph.build(experiment.load("digits-cnn"), Folders(tmp_path, "digits-cnn")))
        nodes = [node.pipeline_node for node in made.nodes]
        return {node.node_info.id: node.parameters.SerializeToString(deterministic=True) for node in nodes}

    before, read = keyed(), source_digest._scan
    for edited in ("tfma_extractors", "tfma_metrics"):
        path = tmp_path / f"{edited}.py"

        def scan(name: str, path: Path = path, edited: str = f"modelmill.components.evaluate.{edited}") -> Any:
            source, imported = read(name)
            path.write_bytes(source.read_bytes() + b"# edited")
            return (path if name == edited else source), imported

        monkeypatch.setattr(source_digest, "_scan", scan)
        after = keyed()
        assert {name for name in before if before[name] != after[name]} == {"evaluate", "evaluate-compressed"}


def test_what_is_calibrated_with_comes_from_before_the_augmentation(tmp_path: Path) -> None:
    from modelmill.pipeline import graph

    for mode, wanted in (("online", {}), ("materialized", {"plain_examples": "transform"})):
        loaded = experiment.load("digits-cnn", [f"augment.mode={mode}"])
        nodes = {node.id: node for node in graph.build(loaded, Folders(tmp_path, "digits-cnn")).components}
        given = nodes["compress"].inputs
        assert given["examples"].producer_component_id == ("augment" if wanted else "transform")
        assert {key: given[key].producer_component_id for key in given if key == "plain_examples"} == wanted


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What the command shows on a terminal of 200 columns."""
    main, second = pty.openpty()
    command = [sys.executable, "-m", "modelmill", *arguments]
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        command, stdout=second, stderr=second, env={**kept, "COLUMNS": "200", "TERM": "xterm", **environment}
    )
    os.close(second)
    text = os.read(main, 10_000).decode()
    os.close(main)
    return text


def test_colours_only_on_a_terminal_and_not_against_the_wish() -> None:
    colour = re.compile(r"\x1b\[[0-9;]*(3\d|9[0-7])[;m]")  # bold is none
    for arguments in (("run", "digits-cn"), ("check", "digits-cn")):
        assert colour.search(on_a_terminal(*arguments)), arguments
        assert not colour.search(on_a_terminal(*arguments, NO_COLOR="1")), arguments
        done = modelmill(*arguments)
        assert "\x1b[" not in done.stdout + done.stderr


def test_listings_are_json_lines_too(pushed: Path) -> None:
    heads = [json.loads(line) for line in modelmill("list", "--json").stdout.splitlines()]
    assert heads == experiment.shipped()
    text = on_a_terminal("predict", str(pushed / "1"), str(pushed.parent / "a.png"), "--json")
    assert json.loads(text)["label"] == "7"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("modelmill ru", {"run", "runs", "run-node"}),
        ("modelmill run mnist", {"mnist-cnn", "mnist-resnet", "mnist-vit"}),
        ("modelmill run digits-cnn --from tr", {"transform", "train"}),
        ("modelmill run pro", {"project/"}),
        ("modelmill run project/", {"project/own.yaml"}),
        ("modelmill report dig", {"digits-cnn", "digits-cnn/20261122-000000"}),
        ("modelmill report pro", {"project/"}),
    ],
)
def test_the_shell_completes(tmp_path: Path, words: str, wanted: set[str]) -> None:
    for name in ("project/own.yaml", "runs/digits-cnn/20261122-000000/experiment.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    code = (
        "import sys; sys.argv = ['modelmill']; from modelmill.pipeline.cli import app as cli\n"
        "try: cli.main()\n"
        "finally: assert 'tensorflow' not in sys.modules\n"
    )
    asked = {"_MODELMILL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, **asked}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert set(done.stdout.split()) == wanted, done.stderr


def test_quiet_and_verbose_exclude_each_other() -> None:
    done = modelmill("run", "digits-cnn", "-q", "-v")
    assert (done.returncode, done.stdout) == (2, "") and "give either" in done.stderr
