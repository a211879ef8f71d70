"""Names of runs and experiments: every command takes the same ones, and none takes a project's folder for a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.records import find

OLDEST, OLD, NEW, OTHER = "20251201-000000", "20260101-000000", "20260201-000000", "20260301-000000"
CLIENT = "import json, sys\nprint(json.dumps({'file': sys.argv[1], 'score': {'score': 1.0}}))\n"


def record(root: Path, experiment: str, run: str, pushed: str | None = None) -> None:
    """Writes the folder of a run that came to its end, and the version that it pushed."""
    folder = root / experiment / run
    (folder / "links").mkdir(parents=True)
    (folder / "experiment.yaml").write_text(f"name: {experiment}\n")
    version = root / experiment / "pushed" / pushed if pushed else None
    if version:
        version.mkdir(parents=True)
        (version / "client.py").write_text(CLIENT)
    summary = {"experiment": experiment, "run_id": run, "status": "pushed" if pushed else "refused", "seconds": 1.0}
    (folder / "summary.json").write_text(json.dumps({**summary, "pushed": str(version) if version else None}))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: projects, data, and runs of the projects' experiments and of another one."""
    root = tmp_path / "runs"
    record(root, "my-project", OLDEST)
    record(root, "my-project", OLD, "1")
    record(root, "my-project", NEW)
    record(root, "pets", OLD)
    record(root, "digits-cnn", OTHER, "1")
    (root / "my-project" / "latest").symlink_to(NEW, target_is_directory=True)
    for project, name in (("my-project", "my-project"), ("photos", "pets"), ("never-run", "never-run")):
        (tmp_path / project).mkdir()
        (tmp_path / project / "experiment.yaml").write_text(f"name: {name}\ndata: {{hight: 1}}\n")
    (tmp_path / "my-photos" / "cat").mkdir(parents=True)
    (tmp_path / "digits-cnn").mkdir()  # some data, called like an experiment
    (tmp_path / "pets.yaml").write_text("model: {family: cnn}\n")
    (tmp_path / "row.csv").write_text("1,2\n")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# A name, the experiment, and the run if the name is that of one.
NAMES = [
    (f"runs/my-project/{OLD}", "my-project", OLD),
    (f"my-project/{OLD}", "my-project", OLD),
    (f"runs/my-project/{OLD}/experiment.yaml", "my-project", OLD),
    ("runs/my-project/latest", "my-project", NEW),
    ("my-project/latest", "my-project", NEW),
    (OTHER, "digits-cnn", OTHER),
    ("digits-cnn", "digits-cnn", None),
    ("pets", "pets", None),
    ("runs/my-project", "my-project", None),
    ("my-project", "my-project", None),
    ("my-project/", "my-project", None),
    ("my-project/experiment.yaml", "my-project", None),
    ("photos", "pets", None),
    ("photos/experiment.yaml", "pets", None),
    ("pets.yaml", "pets", None),
]
NEWEST = {"my-project": NEW, "pets": OLD, "digits-cnn": OTHER}
REFUSED = [
    ("my-photos", "found my-photos, a folder without experiment.yaml"),
    ("runs", "found runs, a folder without experiment.yaml"),
    ("runs/my-project/pushed/1", "found runs/my-project/pushed/1, a folder"),
    ("row.csv", "found row.csv, a file that is no experiment"),
    ("my-projec", "found nothing of that name; give a run's folder or id.*did you mean my-project"),
    ("never-run", "it is a project, and its experiment 'never-run' has no run there; `modelmill run never-run` makes"),
    ("broken.yaml", "broken.yaml: 1 problem"),
]


def command(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(("name", "experiment", "run"), NAMES)
def test_every_command_takes_every_name(here: Path, name: str, experiment: str, run: str | None) -> None:
    folder = here / "runs" / experiment / (run or NEWEST[experiment])
    assert find.run(Path("runs"), name) == folder

    code, told, _ = command("runs", name, "--json")
    listed = [(line["experiment"], line["id"]) for line in map(json.loads, told.splitlines())]
    wanted = [path.name for path in sorted((here / "runs" / experiment).glob("2*")) if run in (None, path.name)]
    assert (code, listed) == (0, [(experiment, one) for one in wanted])

    code, _, error = command("push", name, "--candidate", "compact")
    assert code == 2 and f"{folder}: no trials of compression are on record" in error

    code, told, error = command("clean", name, "--keep", "1", "--dry-run")
    if run:
        assert code == 2 and f"clean takes experiments, such as {experiment}" in error
    else:
        assert code == 0 and (f"  {OLDEST}\n" in told) == (experiment == "my-project")

    code, told, error = command("predict", name, "row.csv")
    if experiment == "pets" or run == NEW:
        assert code == 2 and "pushed a version that is still there" in error
    else:
        assert code == 0 and json.loads(told) == {"file": "row.csv", "score": {"score": 1.0}}


@pytest.mark.parametrize(("name", "told"), REFUSED)
def test_what_is_no_run_is_refused_by_every_command(here: Path, name: str, told: str) -> None:
    with pytest.raises(find.NoRunError, match=told):
        find.run(Path("runs"), name)
    before = sorted(here.rglob("*"))
    for words in (
        ["report", name],
        ["report", "--compare", "my-project", name],
        ["runs", name],
        ["push", name, "--candidate", "compact"],
        ["clean", name, "--yes"],
    ):
        code, out, error = command(*words)
        assert (code, out) == (2, "") and name in error, words
    assert command("predict", name, "row.csv")[0] == (0 if name.endswith("pushed/1") else 2)
    assert sorted(here.rglob("*")) == before, "nothing was written or deleted"


def test_a_renamed_run_is_still_that_run(here: Path) -> None:
    kept = (here / "runs" / "my-project" / OLD).rename(here / "runs" / "my-project" / "best")
    assert find.run(Path("runs"), "runs/my-project/best") == kept
    assert find.run(Path("runs"), "my-project") == here / "runs" / "my-project" / NEW


def test_an_experiment_of_another_root_is_found_by_its_folder(here: Path) -> None:
    record(here / "elsewhere", "pets", NEW)
    assert find.run(Path("runs"), "elsewhere/pets") == here / "elsewhere" / "pets" / NEW
    assert find.run(Path("runs"), "pets") == here / "runs" / "pets" / OLD


def test_projects_below_the_root_are_no_runs(here: Path) -> None:
    """As with --root and projects side by side."""
    (here / "runs" / "pets" / "copy").mkdir()
    (here / "runs" / "pets" / "copy" / "experiment.yaml").write_text("name: pets\n")
    assert find.run(Path("runs"), "pets") == find.run(Path("runs"), "runs/pets/copy")
    assert find.run(Path("runs"), "pets").name == OLD
