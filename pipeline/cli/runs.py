"""The commands for runs that were: list them, delete old ones. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmill.data.core import format
from modelmill.pipeline.cli import completion
from modelmill.pipeline.cli.messages import stop

if TYPE_CHECKING:
    from modelmill.pipeline.records.find import Named
    from modelmill.pipeline.records.run import Run
    from modelmill.pipeline.runners.local.retention import Plan

ROOT = Path("runs")
EXPERIMENTS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[EXPERIMENT]...",
        help="Its name, its file, or its project's folder. All if absent.",
        autocompletion=completion.ran,
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
COLOURS = {"pushed": "green", "refused": "red", "failed": "red", "unreadable": "red", "running": "cyan"}


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for command in (runs, clean, push):
        app.command()(command)


def runs(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT|RUN]...",
            help="An experiment's name, file, or project folder; a run's folder or id. All if absent.",
            autocompletion=completion.runs,
        ),
    ] = None,
    last: Annotated[int, typer.Option("-n", "--last", min=1, help="So many of the newest.")] = 20,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    as_json: JSON = False,
) -> None:
    """List runs, the newest last: what they came to, the figures of the compressed model, where they lie."""
    from modelmill.pipeline.layout import run_folders
    from modelmill.pipeline.records import run as results

    named = [path for one in _named(root, experiments) for path in one.runs]
    folders = {path.resolve(): path for path in (named if experiments else run_folders(root))}
    newest = sorted(folders.values(), key=lambda path: (path.name, path.parent.name))[-last:]
    found = [_running(results.read(folder)) for folder in newest]
    if as_json:
        for run in found:
            typer.echo(json.dumps(_plain(run), default=str))
        return
    if not found:
        stop(2, f"{root}: no runs; `modelmill run` makes one, --root names another place")
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("run", "status", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("float", "compressed", "gzipped", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("folder", overflow="fold")
    for run in found:
        status = Text(run.status, style=COLOURS.get(run.status, ""))
        table.add_row(f"{run.experiment}/{run.id}", status, *_figures(run), _short(run.folder))
    console.print(table)
    for run in found:
        if run.status == "unreadable":
            typer.secho(f"{run.experiment}/{run.id}: {run.failure}", err=True, fg=typer.colors.YELLOW)


def clean(
    experiments: EXPERIMENTS = None,
    keep: Annotated[int, typer.Option(min=1, help="So many of each experiment's newest runs stay.")] = 5,
    days: Annotated[int | None, typer.Option(min=0, help="Younger ones stay, too.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    as_json: JSON = False,
) -> None:
    """Delete old runs, and artifacts that no kept run needs; never what was pushed.

    A kept run stays all cached. Besides the newest runs the last two that pushed something are kept: their models are
    the baselines of what comes.
    """
    from modelmill.pipeline.layout import Folders, run_folders
    from modelmill.pipeline.runners.local import retention as cleaning
    from modelmill.pipeline.runners.local.lock import BusyError

    now = datetime.now()
    named = _named(root, experiments)
    for one in named:
        if one.run is not None:
            stop(2, f"{one.run}: a run; clean takes experiments, such as {one.folders.name}, and keeps their newest")
    names = sorted({folder.parent.name for folder in run_folders(root)})
    wanted = list(dict.fromkeys(one.folders for one in named)) or [Folders(root, name) for name in names]
    plans = [made for one in wanted if (made := cleaning.plan(one, keep, days, now)).items]
    for made in plans:
        _tell(made, as_json)
    free = sum(made.bytes for made in plans)
    if not as_json:
        typer.echo(
            f"{format.megabytes(free)} {'would be' if dry_run else 'to be'} freed" if plans else "nothing to delete"
        )
    if dry_run or not plans:
        return
    if not yes:
        if not sys.stdin.isatty():
            stop(2, "nothing was deleted: give --yes, since there is nobody to ask, or --dry-run")
        typer.confirm("Delete?", abort=True)
    for made in plans:
        try:
            cleaning.carry_out(made.folders, keep, days, now)
        except BusyError as error:
            typer.secho(f"left alone: {error}", err=True, fg=typer.colors.YELLOW)


def _tell(made: Plan, as_json: bool) -> None:
    if as_json:
        for item in made.items:
            plain = {"experiment": made.folders.name, "kind": item.kind, "path": str(item.path), "bytes": item.bytes}
            typer.echo(json.dumps(plain))
        return
    counts = {kind: [one for one in made.items if one.kind == kind] for kind in ("run", "artifact", "checkpoint")}
    told = [f"{len(found)} {kind}{'s' if len(found) > 1 else ''}" for kind, found in counts.items() if found]
    typer.echo(f"{made.folders.name}: {', '.join(told)}, {format.megabytes(made.bytes)}; {len(made.keep)} runs stay")
    for item in made.items:
        if item.kind == "run":
            typer.echo(f"  {item.path.name}")


def _named(root: Path, names: list[str] | None) -> list[Named]:
    """Resolves names of experiments and runs; one that stands for none ends the program with 2."""
    from modelmill.pipeline.records import find

    try:
        return [find.named(root, name) for name in names or []]
    except find.NoRunError as error:
        stop(2, str(error))


def _running(run: Run) -> Run:
    """The run; "running" if it is the newest of an experiment at which a process is at work."""
    from modelmill.pipeline.layout import Folders
    from modelmill.pipeline.runners.local import lock

    folders = Folders(run.folder.parent.parent, run.folder.parent.name)
    at_work = run.status == "unfinished" and folders.latest.resolve() == run.folder and lock.busy(folders.lock)
    return dataclasses.replace(run, status="running") if at_work else run


def _figures(run: Run) -> list[str]:
    """The first metric of both models, and what the compressed one takes."""
    metrics = [
        next(iter(one.metrics.values()), None) if one else None for one in (run.float_model, run.compressed_model)
    ]
    size = run.compressed_model.gzip_bytes if run.compressed_model else None
    shown = ["" if one is None else f"{one:.4f}" for one in metrics]
    return [*shown, "" if size is None else f"{size:,}", "" if run.seconds is None else f"{run.seconds:.0f}"]


def _plain(run: Run) -> dict[str, Any]:
    """For JSON: without the single gates and nodes, which summary.json has."""
    told = dataclasses.asdict(dataclasses.replace(run, gates=(), nodes=(), trials=()))
    refused = [f"{gate.gate}: {gate.metric}, {gate.slice}" for gate in run.gates if gate.outcome == "refused"]
    return {key: value for key, value in told.items() if key not in ("gates", "nodes", "trials")} | {"refused": refused}


def _short(path: Path) -> str:
    """The path as seen from here, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def push(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's folder or id; or an experiment's name, file, or project folder: its newest.",
            autocompletion=completion.runs,
        ),
    ],
    candidate: Annotated[str, typer.Option(help="quality, balanced or compact.")],
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
) -> None:
    """Push another result of a run's compression, without compressing again: a new run, with the same gates."""
    from modelmill.data.core import plugins
    from modelmill.pipeline.experiment.experiment import ExperimentError
    from modelmill.pipeline.records import find
    from modelmill.pipeline.runners.local import push_candidate as candidates

    if candidate not in candidates.CANDIDATES:
        stop(2, f"--candidate: {plugins.unknown('candidate', candidate, candidates.CANDIDATES)}")
    try:
        folder = find.run(root, run)
        experiment = candidates.restore(folder, candidate)
    except (find.NoRunError, candidates.NoCandidateError, ExperimentError) as error:
        stop(2, str(error))

    from modelmill.pipeline.runners.local.lock import BusyError
    from modelmill.pipeline.runners.local.run import Request
    from modelmill.pipeline.runners.local.run import run as run_now

    command = ["modelmill", "push", str(folder), "--candidate", candidate]
    try:
        code = run_now(Request(experiment, folder.parent.parent, command)).code
    except BusyError as error:
        stop(2, str(error))
    raise typer.Exit(code)
