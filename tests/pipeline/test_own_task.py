"""A user's own task: that of the docs goes through load, check and the report; what is wrong with one is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmill.data.core import plugins
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.experiment.experiment import ExperimentError, load
from modelmill.pipeline.preflight.check import check
from modelmill.pipeline.report.parts import quality
from tests.pipeline.test_report_tasks import row, run_of

COUNT = Path(__file__).parents[2] / "docs" / "examples" / "own" / "plugins" / "tasks" / "count.py"
EXPERIMENT = """\
plugins: own
data: {modality: tabular, path: data, files: "*.csv", label: eggs, numeric: [size], task: {count: {most: 50}}}
model: {family: mlp}
evaluate: {threshold: 2}
compress: {max_drop: 1, margin: 1}
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """An experiment beside its plug-ins and a table; gives the task's file."""
    (tmp_path / "own" / "tasks").mkdir(parents=True)
    file = Path(shutil.copy(COUNT, tmp_path / "own" / "tasks"))
    (tmp_path / "data").mkdir()
    rows = [f"{number / 7:.3f},{number % 13}" for number in range(200)]
    (tmp_path / "data" / "nests.csv").write_text("\n".join(["size,eggs", *rows]) + "\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    yield file
    plugins.forget(tmp_path / "own")


def test_it_is_loaded_with_its_settings_and_its_data_checked(own: Path, tmp_path: Path) -> None:
    found = load(str(tmp_path / "experiment.yaml"))
    assert found.data.task == "count" and found.data.task_settings.most == 50 and found.evaluate.metric == "mae"
    (labels,) = [line for line in check(found, tmp_path / "runs") if line.name == "labels"]
    assert labels.kind == "ok" and labels.text.startswith("0 to 12")
    with pytest.raises(ExperimentError, match=r"data\.task\.count\.mots: unknown key 'mots'.* did you mean 'most'\?"):
        load(str(tmp_path / "experiment.yaml"), ["data.task={count: {mots: 3}}"])


def test_the_report_draws_what_it_declares(own: Path, tmp_path: Path) -> None:
    plugins.use(tmp_path / "own")
    rows = [row(n, float(n), [float(n)], [n + (9.0 if n == 7 else 0.5)]) for n in range(40)]
    made = quality.make(run_of(tmp_path, "count", ["expected"], rows))
    assert [one["id"] for one in made["figures"]] == ["answers"]
    assert made["mistakes"]["rows"][0]["digest"] == "0007"
    text = own.read_text()
    twice = text.replace("answers)]", "answers), Scatter(recorded.truth, recorded.answers)]")
    own.write_text(twice.partition("    def examples")[0])
    made = quality.make(run_of(tmp_path / "twice", "count", ["expected"], rows))
    assert [one["id"] for one in made["figures"]] == ["answers", "answers-2"] and not made["mistakes"]["rows"]
    own.write_text(
        text.replace("import Scatter", "import Figure").replace("Scatter(recorded.truth, recorded.answers)", "Figure()")
    )
    with pytest.raises(plugins.PlugInError, match=r"task count: figures gives a Figure, .*; allowed: .*Scatter"):
        quality.make(run_of(tmp_path / "odd", "count", ["expected"], rows))


def test_a_report_made_later_finds_the_plug_ins_of_its_run_or_says_why_not(own: Path, tmp_path: Path) -> None:
    plugins.use(tmp_path / "own")
    rows = [row(n, float(n), [float(n)], [n + 0.5]) for n in range(40)]
    told = run_of(tmp_path / "artifacts", "count", ["expected"], rows)
    folder = tmp_path / "runs" / "count" / "20260101-000000"
    for node, key in (("train", "model"), ("evaluate-compressed", "predictions")):
        (folder / "links" / node).mkdir(parents=True)
        (folder / "links" / node / key).symlink_to(told.nodes[node].outputs[key][0].path)
    (folder / "experiment.yaml").write_text(EXPERIMENT.replace("plugins: own", f"plugins: {tmp_path / 'own'}"))
    plugins.forget(tmp_path / "own")  # as in a new process
    done = CliRunner().invoke(cli.app, ["report", str(folder)])
    assert done.exit_code == 0 and not done.stderr, done.output
    assert 'id="answers"' in (folder / "report.html").read_text()
    plugins.forget(tmp_path / "own")
    (tmp_path / "own").rename(tmp_path / "away")
    done = CliRunner().invoke(cli.app, ["report", str(folder)])
    assert done.exit_code == 0 and f"there is no folder {tmp_path / 'own'}; the page goes without" in done.stderr
    assert 'id="answers"' not in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("def loss(", "def losses(", "loss is missing; losses is not asked for; did you mean 'loss'?"),
        ('    ANSWER = "expected"\n', "", "ANSWER is missing"),
        ("def label(self, features: Mapping[str, tf.Tensor], spec: Spec)", "def label(self)", "label(self) must take"),
        ("class Count(Task[CountConfig]):", "class Count:", "must define one subclass of modelmill.data.task.Task"),
        ("import annotations", "import annotation", "count.py can't be imported: SyntaxError"),
    ],
)
def test_what_is_wrong_is_named(own: Path, tmp_path: Path, before: str, after: str, says: str) -> None:
    assert before in own.read_text()
    own.write_text(own.read_text().replace(before, after, 1))
    with pytest.raises(ExperimentError) as found:
        load(str(tmp_path / "experiment.yaml"))
    (problem,) = found.value.problems
    assert problem.startswith("task count: ") and says in problem and str(own) in problem and "\n" not in problem


def test_a_broken_one_ends_the_command_with_2_and_no_traceback(own: Path, tmp_path: Path) -> None:
    own.write_text(own.read_text().replace("def loss(", "def lost("))
    command = [sys.executable, "-m", "modelmill", "check", str(tmp_path / "experiment.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2 and "loss is missing" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2  # the experiment, and what is wrong with it
