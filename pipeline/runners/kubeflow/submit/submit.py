"""Hands a compiled pipeline to a server, and tells what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Job, Outcome, Schedule, Server, wait
from modelmill.pipeline.runners.kubeflow.compile import locations, parameters, spec_file
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

DONE, FAILED, REFUSED = 0, 1, 3


@dataclass(frozen=True)
class Submission:
    """What is to be submitted.

    Attributes:
      package: the compiled file.
      platform: where it is to run.
      experiment: under which KFP shows the run; a label of it on Vertex.
      parameters: `name=value` each.
      schedule: makes a schedule of it.
      latest_of: name of an uploaded pipeline; the schedule runs its latest version instead of the file.
      wait: until it has ended.
      root: pipeline root of the run; that of the compiled file if absent.
    """

    package: Path
    platform: Platform
    experiment: str | None = None
    parameters: tuple[str, ...] = ()
    schedule: Schedule | None = None
    latest_of: str | None = None
    wait: bool = False
    root: str | None = None


def checked(submission: Submission) -> tuple[Job, Schedule | None]:
    """Return the job, and the schedule as the platform has it: all is checked before anything is sent.

    Raises:
      DeployError: something of it is wrong.
    """
    platform = submission.platform
    if not spec_file.has_suffix(submission.package, platform.SUFFIX):
        raise DeployError(
            f"{submission.package}: {platform.name} needs a file {platform.SUFFIX}, "
            f"of `compile --target {platform.name}`"
        )
    spec = spec_file.read(submission.package)
    if submission.schedule and submission.wait:
        raise DeployError("--wait and --schedule: give one of them; a schedule has no end")
    given = parameters.values(
        spec["root"].get("inputDefinitions", {}).get("parameters", {}), list(submission.parameters)
    )
    parameters.check(spec, given)
    if "data_path" in given:
        given["data_path"] = platform.data_folder(given["data_path"])
        _same_way(platform, "data" in spec["root"]["dag"]["tasks"], given["data_path"])
    if "push_destination" in given:
        given["push_destination"] = locations.destination_folder("--param push_destination", given["push_destination"])
    root = platform.root(submission.root or spec.get("defaultPipelineRoot"))
    name = spec["pipelineInfo"]["name"]
    job = Job(submission.package, name, _title(name, given), root, submission.experiment, given, submission.latest_of)
    if submission.latest_of and not submission.schedule:
        raise DeployError("--latest-of: it is for --schedule and --every; leave it out")
    return job, platform.schedule(submission.schedule) if submission.schedule else None


def _title(name: str, parameters_: dict[str, Any]) -> str:
    """Return the name of a run: pipeline, time, and the label of the version if one is given."""
    label = parameters_.get(parameters.LABEL)
    return f"{name} {datetime.now():%Y-%m-%d %H:%M:%S}" + (f" ({label})" if label else "")


def _same_way(platform: Platform, fetches: bool, data: str) -> None:
    """Whether data has to be fetched is decided when the pipeline is compiled."""
    if fetches and data.startswith("/"):
        raise DeployError(f"--param data_path={data}: this pipeline fetches its data; give minio://, s3:// or gs://")
    if not fetches and platform.is_fetched(data):
        raise DeployError(
            f"--param data_path={data}: this pipeline was compiled for data that need not be fetched; "
            f"compile it with --set run.cluster.data={data}"
        )


def submit(
    submission: Submission, connect: Callable[[], Server], tell: Callable[[str], None], every: float = 5.0
) -> int:
    """Submits; returns the exit code: 0 submitted or pushed, 1 failed, 3 a gate refused.

    Args:
      submission: what.
      connect: makes the connection, once everything else is found to be good.
      tell: called with lines for a person.
      every: seconds between two questions when it waits.

    Raises:
      DeployError: something is wrong with what was asked for.
      ServerError: the server refused, or does not answer.
    """
    job, schedule = checked(submission)
    server = connect()
    if schedule:
        made = server.schedule(job, schedule)
        when = schedule.cron or f"every {schedule.every} s"
        tell(f"scheduled ({when}): {server.schedule_link(made)}")
        return DONE
    run_id = server.start(job)
    tell(f"submitted: {server.link(run_id)}")
    if not submission.wait:
        return DONE
    return report_outcome(wait(server, run_id, tell, every), server.link(run_id), tell)


def report_outcome(outcome: Outcome, link: str, tell: Callable[[str], None]) -> int:
    """One line on the end of a run, and its exit code."""
    if outcome.state == "SUCCEEDED":
        tell(f"done: {link}")
        return DONE
    where = f" in {outcome.node}" if outcome.node else ""
    if outcome.refused:
        tell(f"refused by a gate{where}: {outcome.reason}\n  {link}")
        return REFUSED
    tell(f"{outcome.state.lower()}{where}: {outcome.reason}\n  {link}")
    return FAILED
