"""The command line. Nothing heavy is imported before it is needed: `--help` answers at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from modelmill.pipeline.cli import completion, kubeflow, remote, runs
from modelmill.pipeline.cli import project as cli_tools
from modelmill.pipeline.cli.messages import stop

app = typer.Typer(
    name="modelmill",
    help="Train, judge, compress and push models with TFX, from one experiment file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ROOT = Path("runs")
JSON = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def main() -> None:
    """The console script."""
    # Both are read when TensorFlow is imported: TFX works with Keras 2 only.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # https://no-color.org; rich knows it, click does not.
    app(color=False if os.environ.get("NO_COLOR") else None)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib import metadata

        typer.echo(f"modelmill {metadata.version('modelmill')}")
        raise typer.Exit


@app.command()
def run(
    experiment: Annotated[
        str,
        typer.Argument(
            help="A shipped experiment's name, a YAML file, or a project's folder.",
            autocompletion=completion.experiments,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Such as train.epochs=5; repeatable."),
    ] = None,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NODE",
            help="Begin here, with the last run's outputs.",
            autocompletion=completion.nodes,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="NODE", help="End with this node.", autocompletion=completion.nodes),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only the pushed version, or why there is none.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also what the nodes log.")] = False,
) -> None:
    """Run an experiment: 0 pushed, 3 a gate refused, 2 bad experiment or input, 1 failure."""
    from modelmill.pipeline.experiment.experiment import ExperimentError, load
    from modelmill.pipeline.layout import part_problem

    if quiet and verbose:
        stop(2, "--quiet and --verbose: give either")
    wrong = part_problem(first, last)
    if wrong:
        stop(2, wrong)
    try:
        loaded = load(experiment, overrides)
    except ExperimentError as error:
        stop(2, str(error))
    wrong = part_problem(first, last, loaded.nodes)
    if wrong:
        stop(2, wrong)
    command = [*_program(), "run", experiment]
    for override in overrides or []:
        command += ["--set", override]
    for option, value in (("--root", None if root == ROOT else str(root)), ("--from", first), ("--to", last)):
        command += [option, value] if value else []

    from modelmill.pipeline.runners.local.lock import BusyError
    from modelmill.pipeline.runners.local.run import Request
    from modelmill.pipeline.runners.local.run import run as run_now

    try:
        tell: Literal["end", "log", "progress"] = "end" if quiet else "log" if verbose else "progress"
        code = run_now(Request(loaded, root, command, first, last, tell=tell)).code
    except BusyError as error:
        stop(2, str(error))
    except OSError as error:  # before any node: those tell by themselves
        stop(1, f"{root}: a run can't be recorded there ({error.strerror or error})")
    raise typer.Exit(code)


@app.command("list")
def list_experiments(as_json: JSON = False) -> None:
    """List the shipped experiments: what they do, on which data, how long, and the figure to expect."""
    from rich.console import Console
    from rich.table import Table

    from modelmill.pipeline.experiment.experiment import HEAD, shipped

    columns = ("name", *(key for key in HEAD if key != "command"))
    experiments = shipped()
    if as_json:
        for head in experiments:
            typer.echo(json.dumps(head))
        return
    console = Console()
    if not console.is_terminal:
        for head in experiments:
            typer.echo("\t".join(head.get(column, "") for column in columns))
        return
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in experiments:
        table.add_row(*(head.get(column, "") for column in columns))
    console.print(table)


@app.command()
def predict(
    pushed: Annotated[
        str,
        typer.Argument(
            help="A pushed version: runs/EXPERIMENT/pushed/VERSION; or a run, an experiment or a project's folder: "
            "the version that it pushed last.",
            autocompletion=completion.runs,
        ),
    ],
    files: Annotated[
        list[Path], typer.Argument(help="Raw files, such as images, or folders of such.", metavar="FILE...")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file for the answers: .jsonl, .csv or .parquet.")
    ] = None,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    as_json: JSON = False,
) -> None:
    """Predict with a pushed model, by its own client: a table, or JSON lines where there is no terminal."""
    from modelmill.pipeline.cli import predictions

    client = _version(pushed, root) / "client.py"
    if output is not None and output.suffix not in predictions.WRITERS:
        stop(2, f"--output {output}: allowed are files called {', '.join(predictions.WRITERS)}")
    try:
        found = predictions.files(files)
    except ValueError as error:
        stop(2, str(error))
    damaged = _damaged(client.parent)
    if damaged:
        stop(1, damaged)
    done = subprocess.run([sys.executable, "-P", client, *found], capture_output=True, text=True, check=False)
    # The interpreter of the flatbuffer tells which kernels it uses; nobody has asked.
    told = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("INFO: "))
    if done.returncode not in (0, 2):
        stop(1, told or f"{client} failed with exit code {done.returncode}")
    if not done.stdout and done.returncode:
        stop(2, told)
    if output is not None:
        made = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        predictions.write(output, made)
        typer.echo(f"{output}: {len(made):,} answers")
    elif sys.stdout.isatty() and not as_json:
        _show_predictions([json.loads(line) for line in done.stdout.splitlines() if line.strip()])
    else:
        typer.echo(done.stdout, nl=False)
    if done.returncode:  # some of the files could not be read, the others are answered
        stop(2, told)
    if told:
        typer.echo(told, err=True)


def _version(name: str, root: Path) -> Path:
    """Returns the folder of a version: the named one, or the newest that a run or an experiment has pushed."""
    folder = Path(name)
    if _is_version(folder):
        return folder
    missing = f"{name}: no pushed version (there is no client.py in it)"
    versions = [path.parent for path in folder.glob("*/client.py")]
    newest = max(versions, key=lambda path: (len(path.name), path.name), default=None)
    if newest:
        stop(2, f"{missing}; give one of its versions, such as {newest}")
    from modelmill.pipeline.records import find
    from modelmill.pipeline.records import run as results

    try:
        named = find.named(root, name)
    except find.NoRunError as error:
        stop(2, f"{missing}, and {error}")
    for run in reversed([results.read(path) for path in named.runs]):
        # Of a root that was moved the run names the old place.
        for place in (run.pushed, named.folders.pushed / run.pushed.name) if run.pushed else ():
            if _is_version(place):
                return place
    found = "the run" if named.run else f"no run of the experiment {named.folders.name}"
    stop(2, f"{name}: {found} has {'not ' if named.run else ''}pushed a version that is still there")


def _is_version(folder: Path) -> bool:
    """Return whether a folder is a pushed version; of a damaged one a file may be lost."""
    return any((folder / file).is_file() for file in ("client.py", "manifest.json"))


def _damaged(pushed: Path) -> str:
    """What is wrong with the files of a version, its client among them; without a manifest the client will tell."""
    from modelmill.components import integrity

    manifest = pushed / integrity.MANIFEST
    if not manifest.is_file():
        return ""
    try:
        lines = integrity.damages(str(pushed), integrity.parse(manifest.read_bytes(), str(pushed)))
    except integrity.DamagedError as error:
        return str(error)
    advice = f"copy the version to {pushed} again, or push the model again"
    return f"damaged: {integrity.summary(lines)}; {advice}" if lines else ""


def _show_predictions(predictions: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [_prediction(found) for found in predictions]
    table = Table("file", *(rows[0] if rows else ()), box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for found, row in zip(predictions, rows, strict=True):
        # Names of files and classes are no markup, and say nothing to the terminal.
        table.add_row(*(Text(_printable(cell)) for cell in (found["file"], *row.values())))
    Console().print(table)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _prediction(found: dict[str, Any]) -> dict[str, str]:
    """What a client tells of one example, by column: each names its task's answer, numbers by name in an object."""
    (name,) = (key for key, value in found.items() if isinstance(value, dict))
    ranked = sorted(found[name].items(), key=lambda item: -item[1])
    if "label" in found:  # one of several classes
        others = ", ".join(f"{label} {p:.3f}" for label, p in ranked[1:3])
        return {"label": str(found["label"]), "probability": f"{ranked[0][1]:.3f}", "next": others}
    if len(ranked) == 1:
        return {name: f"{ranked[0][1]:.6g}"}
    if name == "probabilities":  # any number of labels, each by itself
        there = [f"{label} {p:.3f}" for label, p in ranked if p > 0.5]
        others = ", ".join(f"{label} {p:.3f}" for label, p in ranked[len(there) :][:2])
        return {"labels": ", ".join(there) or "none", "next": others}
    return {name: ", ".join(f"{label} {value:.4g}" for label, value in ranked)}


def _program() -> list[str]:
    """How a person would call this again."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return ["python", "-m", "modelmill"]
    found = shutil.which(called.name)
    return [called.name if found and Path(found).resolve() == called.resolve() else sys.argv[0]]


cli_tools.register(app)
runs.register(app)
kubeflow.register(app)
remote.register(app)
