"""An experiment as a cluster sees it: none of this machine's folders is there."""

from __future__ import annotations

from dataclasses import dataclass

from modelmill.components import beam_runners
from modelmill.data.core import files
from modelmill.data.core.fetch import resolve
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# Of a container: gone with its pod.
SCRATCH = "/tmp/modelmill"
SAMPLES = f"{SCRATCH}/samples"


@dataclass(frozen=True)
class Located:
    """The experiment with its places replaced, where the rest lies, and what a person should know of it."""

    experiment: Experiment
    data: str
    checkpoints: str
    destination: str
    notes: tuple[str, ...]


def locate(experiment: Experiment, platform: Platform, root: str) -> Located:
    """Replaces the folders of this machine by those of the cluster (run.cluster).

    Raises:
      DeployError: a place is missing, or the platform can't reach it.
    """
    cluster, notes = experiment.run.cluster, []
    data = _data(experiment, platform)
    _check_beam(experiment, root, data)
    schema = cluster.schema_file or _remote(experiment.data.schema_file)
    if experiment.data.schema_file and not schema:
        raise DeployError(
            f"run.cluster.schema_file: missing; {experiment.data.schema_file} is a file of this machine. "
            "Give where the cluster finds it: gs://..., or a path in the container"
        )
    named = {f"data.{field}": name for field, name in experiment.data.outside().items()}
    named |= {f"augment.{field}": name for field, name in experiment.augment.outside().items()}
    named |= {f"model.{field}": name for field, name in experiment.model.files().items()}
    for field, name in named.items():
        if resolve.is_local(name):
            raise DeployError(
                f"{field}: {name} is a file of this machine. Give where the cluster finds it: gs://..., or "
                "PACKAGE:FILE for a file of a package that the image has"
            )
    destination = cluster.destination or platform.folder(root, experiment.name, "pushed")
    if destination is None:
        destination = f"{SCRATCH}/{experiment.name}/pushed"
        notes.append(
            "no run.cluster.destination: versions are not kept, only the artifact pushed_model of each run is; there "
            "is no baseline, and drift is not measured. Give gs://BUCKET/FOLDER, or the path of a folder on a volume"
        )
    destination = destination_folder("run.cluster.destination", destination)
    given = cluster.checkpoints or platform.folder(root, experiment.name, "checkpoints")
    if given is not None:
        checkpoints = platform.checkpoints(given)
    else:
        checkpoints = f"{SCRATCH}/{experiment.name}/checkpoints"
        notes.append(
            "no run.cluster.checkpoints: a training that is tried again begins anew. "
            "Mount a volume and give a folder on it"
        )
    moved = experiment.model_copy(
        update={
            "data": experiment.data.model_copy(
                update={"path": None if experiment.data.sample else data, "schema_file": schema}
            ),
            "push": experiment.push.model_copy(update={"destination": destination}),
        }
    )
    return Located(moved, data, checkpoints, destination, tuple(notes))


def _remote(name: str | None) -> str | None:
    """Return a place that means the same for the cluster as here; None if it is this machine's."""
    return name if name is not None and files.is_remote(name) else None


def _data(experiment: Experiment, platform: Platform) -> str:
    given = experiment.run.cluster.data or _remote(experiment.data.path)
    if given:
        return platform.data_folder(given)
    if experiment.data.sample:
        return f"{SAMPLES}/{experiment.data.sample}"  # the entrypoint writes it there
    raise DeployError(
        f"run.cluster.data: missing; {experiment.data.path} is a folder of this machine. "
        "Give where the cluster finds it: gs://BUCKET/FOLDER, or a path on a mounted volume"
    )


def _check_beam(experiment: Experiment, root: str, data: str) -> None:
    """Raise DeployError where Beam's workers are outside of the pod and can't see what it sees."""
    options = experiment.run.beam
    if not beam_runners.is_remote(options) or beam_runners.LOOPBACK in options:
        return  # with LOOPBACK the workers are processes of the pod
    hidden = []
    if not root.startswith("gs://"):
        hidden.append(f"the root: found {root}, which each pod has as a copy; give --root gs://BUCKET/FOLDER")
    if not data.startswith("gs://"):
        sample = f"the sample {experiment.data.sample}, which is written into the pod of ingest"
        what = sample if data.startswith(f"{SAMPLES}/") else data
        hidden.append(f"the data: found {what}; give run.cluster.data: gs://BUCKET/FOLDER")
    if hidden:
        runner = beam_runners.runner(options)
        raise DeployError(
            f"run.beam: found --runner={runner}, whose workers are outside of the pods and have to see "
            f"{'; and '.join(hidden)}; or leave run.beam out: Beam then works in the pods"
        )


def destination_folder(name: str, given: str) -> str:
    """A folder of versions: a path of the container, or a place in Cloud Storage, which is written directly.

    Raises:
      DeployError: it is neither.
    """
    if given.startswith("/") or (given.startswith("gs://") and given.removeprefix("gs://").strip("/")):
        return given.rstrip("/") or "/"
    raise DeployError(f"{name}: found {given!r}; give gs://BUCKET/FOLDER, or the path of a folder on a mounted volume")
