"""The commands beside a run: what is looked at before one and after. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from modelmill.pipeline.cli import completion
from modelmill.pipeline.cli.messages import stop

ROOT = Path("runs")
EXPERIMENT = Annotated[
    str,
    typer.Argument(
        help="A shipped experiment's name, a YAML file, or a project's folder.", autocompletion=completion.experiments
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for command in (new, check, show, preview, schema, report, doctor):
        app.command()(command)


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of the project; it is made.")],
    data: Annotated[
        str, typer.Option(help="A folder with a folder of examples for each class; or tables, or series, or one file.")
    ],
    modality: Annotated[str | None, typer.Option(help="What an example is; guessed by the files if absent.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Of tables: the column of what is to be told; guessed if absent.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Of tables: classification or regression; guessed if absent.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Of the model; one that suits the modality if absent.")] = None,
    budget_bytes: Annotated[int | None, typer.Option(help="Of the model, gzipped.", min=1)] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="Of the metric, by compression; suits the number of examples if absent.", min=0, max=1),
    ] = None,
) -> None:
    """Look at data, and write an experiment and a schema that suit it; `modelmill run DIR` works at once."""
    from modelmill.data.core.plugins import PlugInError, UnknownNameError
    from modelmill.data.profiling.draft import Asked, NoProjectError
    from modelmill.data.readers.labels_csv import BadDataError
    from modelmill.pipeline.preflight import new_project

    try:
        source = new_project.local_data(data)
        kind = modality or new_project.guess(source)
        asked = Asked(kind, source, label, task, family, budget_bytes, max_drop)
        path, draft = new_project.write(folder, asked)
    except (NoProjectError, BadDataError, UnknownNameError, PlugInError) as error:
        stop(2, str(error))
    found = draft.found
    skipped = f"; unreadable files: {len(found.unreadable)}, `check` names them" if found.unreadable else ""
    classes = f" of {len(found.classes)} classes" if found.classes else ""
    typer.echo(f"{path}: {found.examples:,} examples{classes}{skipped}")
    for one in ((f"modality: {kind} (by the files; another: --modality)",) if modality is None else ()) + draft.told:
        typer.echo(one)
    typer.echo(f"next: modelmill check {folder}; modelmill run {folder}")


def check(
    experiment: EXPERIMENT,
    measure: Annotated[
        bool,
        typer.Option("--time", help="Train some steps to tell the time of what was never run (loads TensorFlow)."),
    ] = False,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    as_json: JSON = False,
) -> None:
    """Look at an experiment and all of its data before anything is trained: 0 if it can be run, else 2."""
    from modelmill.data.readers.labels_csv import BadDataError
    from modelmill.pipeline.experiment.experiment import ExperimentError, load
    from modelmill.pipeline.preflight.check import check as look
    from modelmill.pipeline.runners.local import log_redirect

    try:
        loaded = load(experiment)
        with log_redirect.redirected(Path(os.devnull)):
            lines = look(loaded, root, measure)
    except (ExperimentError, BadDataError) as error:
        stop(2, str(error))
    colours = {"ok": typer.colors.GREEN, "mind": typer.colors.YELLOW, "wrong": typer.colors.RED}
    for line in lines:
        if as_json:
            typer.echo(json.dumps({"kind": line.kind, "name": line.name, "text": line.text}))
        else:
            typer.echo(f"{typer.style(f'{line.kind:<6}', fg=colours[line.kind])}{line.name:<14}{line.text}")
    raise typer.Exit(2 if any(line.kind == "wrong" for line in lines) else 0)


def show(
    experiment: EXPERIMENT,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as train.epochs=5; repeatable.")
    ] = None,
) -> None:
    """Show an experiment, validated and with all defaults filled in, as the YAML that would do the same."""
    import yaml

    from modelmill.pipeline.experiment.experiment import ExperimentError, load

    try:
        loaded = load(experiment, overrides)
    except ExperimentError as error:
        stop(2, str(error))
    typer.echo(yaml.safe_dump(loaded.model_dump(mode="json"), sort_keys=False, width=100), nl=False)


def preview(
    experiment: EXPERIMENT,
    count: Annotated[int, typer.Option("-n", min=1, max=200, help="How many examples are shown.")] = 8,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="The page; EXPERIMENT-preview.html if absent.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Such as augment.strength=0.5; repeatable."),
    ] = None,
    root: Annotated[Path, typer.Option(help="Where all runs lie, and the samples.")] = ROOT,
) -> None:
    """Show examples before and after augmentation on one page; nothing is run."""
    from modelmill.data.core import files
    from modelmill.data.readers.labels_csv import BadDataError
    from modelmill.pipeline.experiment.experiment import ExperimentError, load
    from modelmill.pipeline.report.examples import preview as page
    from modelmill.pipeline.runners.local import log_redirect as local_log_redirect

    try:
        loaded = load(experiment, overrides)
        target = output or Path(f"{loaded.name}-preview.html")
        with local_log_redirect.redirected(
            Path(os.devnull)
        ):  # TensorFlow tells what it found of GPUs; nobody has asked
            page.write(target, loaded, root, count)
    except (ExperimentError, BadDataError, page.NothingToShowError, files.RemoteFileError) as error:
        stop(2, str(error))
    except OSError as error:
        stop(2, f"{error.filename or output}: {error.strerror}")
    typer.echo(target)


def schema(
    data: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT|FOLDER", help="Write the schema of its data, to be curated and kept."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file; else schema.pbtxt beside the experiment, or in the folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as data.csv=labels.csv; repeatable.")
    ] = None,
    modality: Annotated[str, typer.Option(help="What a FOLDER holds.")] = "image",
    summary: Annotated[bool, typer.Option("--summary", help="That of a run's summary.json instead.")] = False,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
) -> None:
    """Print the JSON Schema of experiments, for editors; with --data, write a TFDV schema of the data."""
    if summary:
        from modelmill.pipeline.records.summary_record import Summary

        typer.echo(json.dumps(Summary.model_json_schema(by_alias=True), indent=1))
        return
    from modelmill.data.core.plugins import PlugInError
    from modelmill.pipeline.experiment import json_schema
    from modelmill.pipeline.experiment.experiment import ExperimentError

    try:
        if data is None:
            typer.echo(json.dumps(json_schema.experiment_schema(), indent=1))
            return
        from modelmill.pipeline.runners.local import data_schema

        raise typer.Exit(data_schema.write_data_schema(data, out, force, overrides or [], modality, root))
    except (ExperimentError, FileExistsError, PlugInError) as error:
        stop(2, str(error))


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="A run's folder or id; or an experiment's name, file, or project folder: its newest.",
            autocompletion=completion.runs,
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The newest run of all; so is none given.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Two or more runs side by side.")] = False,
    saliency: Annotated[
        bool, typer.Option("--saliency", help="Also show what decided in the worst mistakes (loads the model).")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where the page goes, if not into the run.")
    ] = None,
    fetched: Annotated[
        str | None,
        typer.Option(
            "--experiment", help="Of a Kubeflow run, whose folder was fetched to be RUN: docs/kubeflow.md, 'Look'."
        ),
    ] = None,
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
) -> None:
    """Make the page that tells what a run came to, or that sets runs side by side; prints its path."""
    from modelmill.pipeline.records import find

    if fetched is not None:
        runs = [_adopted(runs or [], fetched, root)]
    if compare != (len(runs or []) > 1):
        stop(2, "give two or more runs with --compare" if compare else "several runs: give --compare, or only one")
    if latest and runs:
        stop(2, f"--latest and {', '.join(runs)}: give either")
    try:
        folders = [find.run(root, name) for name in runs] if runs else [find.run(root)]
    except find.NoRunError as error:
        stop(2, str(error))

    from modelmill.pipeline.records import mlmd
    from modelmill.pipeline.report import page
    from modelmill.pipeline.report.compare import write
    from modelmill.pipeline.runners import failure
    from modelmill.pipeline.runners.local import log_redirect as logs

    try:
        for problem in filter(None, map(mlmd.use_plug_ins, folders)):
            typer.echo(f"{problem}; the page goes without what they declare", err=True)
        with logs.redirected(Path(os.devnull)):  # TensorFlow tells what it found of GPUs; nobody has asked
            made = write(folders, output) if compare else page.write(folders[0], output, saliency)
    except PermissionError as error:
        stop(1, f"the page can't be written: {error}; -o DIR puts it elsewhere")
    except (OSError, ValueError, LookupError, TypeError) as error:
        names = ", ".join(map(str, folders))
        stop(
            1,
            f"{names}: the page can't be made, since a file of the run is missing or damaged: {failure.reason(error)}",
        )
    typer.echo(str(made))


def _adopted(folders: list[str], source: str, root: Path) -> str:
    """The run's folder made of one that was fetched."""
    from modelmill.pipeline.experiment.experiment import ExperimentError, load
    from modelmill.pipeline.records import import_remote

    if len(folders) != 1:
        stop(2, "--experiment: give the one folder that was fetched")
    try:
        return str(import_remote.adopt(Path(folders[0]), load(source), root))
    except (ExperimentError, import_remote.AdoptError) as error:
        stop(2, str(error))


def doctor(
    root: Annotated[Path, typer.Option(help="Where all runs lie.")] = ROOT,
    as_json: JSON = False,
) -> None:
    """Look whether this machine has all that a run needs; 1 if not, with what to do."""
    from modelmill.pipeline.preflight.doctor import examine

    signs = {"ok": ("ok", typer.colors.GREEN), "note": ("note", typer.colors.YELLOW), "wrong": ("WRONG", "red")}
    wrong = 0
    for finding in examine(root):
        wrong += finding.state == "wrong"
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(finding)))
            continue
        sign, colour = signs[finding.state]
        typer.echo(f"{typer.style(f'{sign:6}', fg=colour)}{finding.name:16}{finding.found}")
        if finding.do:
            typer.echo(f"{'':22}do: {finding.do}")
    if wrong:
        stop(1, f"{wrong} of these would break a run")
