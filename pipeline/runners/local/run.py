"""One run of an experiment on this machine, from its lock to its summary."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import yaml
from rich.console import Console

from modelmill.components.compress.trials import worker_count
from modelmill.components.upstream import beam_internals, tfx_internals
from modelmill.data import sample_data
from modelmill.data.core import progress
from modelmill.pipeline.experiment import prerequisites
from modelmill.pipeline.experiment.experiment import Experiment, ExperimentError
from modelmill.pipeline.layout import Folders, RunFolder
from modelmill.pipeline.preflight import memory_estimate
from modelmill.pipeline.records import provenance, summary
from modelmill.pipeline.records.node_outcome import Outcome
from modelmill.pipeline.report import page
from modelmill.pipeline.runners import failure
from modelmill.pipeline.runners.local import (
    console_messages,
    console_tables,
    lock,
    log_redirect,
)
from modelmill.pipeline.runners.local.console import Display, Follower, display

# The exit codes of `modelmill run`.
PUSHED, FAILED, BAD_INPUT, REFUSED = 0, 1, 2, 3
WIDTH = 120


@dataclass(frozen=True)
class Request:
    """What is to be run.

    Attributes:
      experiment: validated.
      root: of all runs.
      command: what a person types to do the same again; with the run's own copy of the experiment if absent.
      first: the node to begin with; the outputs of those before it are an earlier run's.
      last: the node to end with.
      build: makes the pipeline; modelmill.pipeline.graph.build if absent.
      tell: how much is told: nothing, the last word, how it goes, or also what the nodes log.
      screen: where; the real stdout if absent.
    """

    experiment: Experiment
    root: Path
    command: list[str] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    build: Callable[[Experiment, Folders], Any] | None = None
    tell: Literal["nothing", "end", "progress", "log"] = "progress"
    screen: TextIO | None = None


@dataclass(frozen=True)
class Finished:
    """A run that came to an end: the exit code of `modelmill run`, and where it is recorded."""

    code: int
    folder: RunFolder


@dataclass
class _Result:
    """What a run has come to so far. Without `status` it came to its end."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    status: str | None = None
    failure: dict[str, Any] | None = None
    code: int = PUSHED


def run(request: Request) -> Finished:
    """Runs the experiment, shows how it goes, and writes summary.json.

    Raises:
      BusyError: another process runs the same experiment there.
    """
    start = time.monotonic()
    experiment, folders = request.experiment, Folders(request.root, request.experiment.name)
    with lock.held(folders.lock):
        folder = RunFolder.create(folders, datetime.now())
        folder.publish(folders)
        settings = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
        folder.copy.write_text(settings, encoding="utf-8")
        command = request.command or ["modelmill", "run", str(folder.copy), "--root", str(folders.root)]
        provenance.write(folder.origin, command)
        with _surroundings(folder, experiment), log_redirect.redirected(folder.log) as out:
            console = _console(request.screen or out, request.tell in ("nothing", "end"))
            console_messages.begin(console, experiment.name, folder.id, folder.log)
            with (
                display(console) as shown,
                Follower(folder.progress, shown) as follower,
                log_redirect.told(shown.note if request.tell == "log" else None),
            ):
                result = _result(request, folders, folder, shown, follower)
            found = _summarise(request, folder, result, time.monotonic() - start, follower.gates)
            console_tables.show(console, found, _report(folder))
            last = _console(request.screen or out, request.tell == "nothing")
            if request.tell == "end" and found["pushed"]:
                last.print(found["pushed"], soft_wrap=True)
            console_messages.end(last, found, folder.log, command)
    return Finished(REFUSED if result.status is None and found["status"] == "refused" else result.code, folder)


def _console(screen: TextIO, quiet: bool) -> Console:
    """A pipe has no width; that of an old terminal would only break the tables' lines."""
    return Console(file=screen, highlight=False, width=None if screen.isatty() else WIDTH, quiet=quiet)


def _result(request: Request, folders: Folders, folder: RunFolder, shown: Display, follower: Follower) -> _Result:
    """Runs the nodes; whatever goes wrong, Ctrl-C too, ends up in the result."""
    result = _Result()

    def watch(outcome: Outcome) -> None:
        follower.catch_up()  # what a node has told belongs above the line that it has ended
        result.outcomes[outcome.id] = outcome
        shown.node(outcome)
        _link(folder.links, outcome)

    try:
        _run_nodes(request, folders, folder.id, shown, watch)
    except (Exception, KeyboardInterrupt) as error:
        logging.exception("the run ended early")
        refused, unusable = failure.refusal(error), failure.bad_data(error)
        node = next((one.id for one in result.outcomes.values() if one.state == "failed"), None)
        result.status = "failed" if refused is None else "refused"
        result.failure = {"node": node, "reason": refused or unusable or failure.reason(error)}
        result.code = FAILED if refused is None else REFUSED
        expected = (ExperimentError, failure.NothingToReuseError, sample_data.MissingPackageError)
        if unusable or isinstance(error, expected):
            result.code = BAD_INPUT
    for outcome in result.outcomes.values():
        _link(folder.links, outcome)  # of skipped nodes only now: the runner finds their outputs at its end
    return result


def _summarise(
    request: Request, folder: RunFolder, result: _Result, seconds: float, events: list[dict[str, Any]]
) -> dict[str, Any]:
    """Writes the summary; without what artifacts tell if one of them can't be read."""

    def made(outcomes: dict[str, Outcome]) -> dict[str, Any]:
        return summary.summarise(
            request.experiment, folder.id, result.status, seconds, outcomes, events, result.failure
        )

    try:
        found = made(result.outcomes)
    except Exception as error:
        logging.exception("the artifacts can't be summed up")
        if result.status is None:
            result.status, result.code = "failed", FAILED
            result.failure = {"node": None, "reason": f"the summary could not be made: {failure.reason(error)}"}
        found = made({name: replace(one, outputs={}) for name, one in result.outcomes.items()})
    try:
        summary.write(folder.summary, found)
    except OSError as error:  # most of all a full disk: what became of the run is told on the screen at least
        logging.exception("the summary can't be written")
        if result.status is None:
            result.status, result.code = "failed", FAILED
            result.failure = {"node": None, "reason": f"{folder.summary.name} can't be written: {error.strerror}"}
            found |= {"status": result.status, "failure": result.failure}
    return found


def _report(folder: RunFolder) -> str:
    """Write the page, and return what the screen says of it: its path, or why there is none. The run stays as it is."""
    try:
        path = page.write(folder.path)
    except Exception as error:  # whatever the run's files hold
        logging.exception("the report can't be made")
        return f"not made: {failure.reason(error)}; `modelmill report {shlex.quote(str(folder.path))}` tries again"
    return min(str(path), os.path.relpath(path), key=len)


def _run_nodes(
    request: Request, folders: Folders, run_id: str, shown: Display, watch: Callable[[Outcome], None]
) -> None:
    name = request.experiment.data.sample
    if name and not (folders.samples / name).exists():
        with shown.phase(f"writing the sample {name}"):
            sample_data.materialize(name, folders.samples)
    prerequisites.prepare(request.experiment, shown.phase)
    needs = memory_estimate.note(request.experiment, request.experiment.data.path or str(folders.samples / str(name)))
    if needs:
        shown.note(needs)
    with shown.phase("loading TensorFlow and TFX"), tfx_internals.lean_import():
        from tfx.orchestration.pipeline import RunOptions

        from modelmill.pipeline.runners.local.ir_runner import LocalRunner

        build = request.build
        if build is None:
            from modelmill.pipeline import graph

            build = graph.build
        logging.getLogger("absl").setLevel(logging.INFO)  # TFX logs by it; it would tell warnings only
        pipeline = build(request.experiment, folders)
    for node in pipeline.components:
        watch(Outcome(node.id))
    first, last = request.first, request.last
    options = RunOptions(first and [first], last and [last]) if first or last else None
    with beam_internals.cached():
        LocalRunner(run_id, watch, shown.note).run(pipeline, options)


@contextlib.contextmanager
def _surroundings(folder: RunFolder, experiment: Experiment) -> Iterator[None]:
    """Of the nodes: where they tell their progress, how many processes they may have, no command line of ours, no
    imports from the working directory in child processes, and an end by signal.
    """
    told = {
        progress.ENV: str(folder.progress),
        worker_count.ENV: str(experiment.compress.workers),
        "PYTHONSAFEPATH": "1",  # as `python -P`, for the workers that Beam starts (direct_running_mode)
    }
    before = {name: os.environ.get(name) for name in told}
    # Only the main thread may handle signals; a notebook's cell, or a test, may be another.
    mine = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGTERM, _interrupt) if mine else None
    os.environ.update(told)
    try:
        with tfx_internals.empty_command_line():
            yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, handler)
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _link(links: Path, outcome: Outcome) -> None:
    """links/NODE/KEY -> the artifact's folder; relative, so that the root can be moved."""
    for key, outputs in outcome.outputs.items():
        for number, output in enumerate(outputs, start=1):
            link = links / outcome.id / (key if number == 1 else f"{key}-{number}")
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(output.uri, link.parent.resolve()), target_is_directory=True)
