"""An experiment as a cluster sees it: none of this machine's folders is there."""

from __future__ import annotations

from dataclasses import dataclass

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
    if experiment.data.schema_file and not cluster.schema_file:
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
                update={"path": None if experiment.data.sample else data, "schema_file": cluster.schema_file}
            ),
            "push": experiment.push.model_copy(update={"destination": destination}),
        }
    )
    return Located(moved, data, checkpoints, destination, tuple(notes))


def _data(experiment: Experiment, platform: Platform) -> str:
    if experiment.run.cluster.data:
        return platform.data_folder(experiment.run.cluster.data)
    if experiment.data.sample:
        return f"{SAMPLES}/{experiment.data.sample}"  # the entrypoint writes it there
    raise DeployError(
        f"run.cluster.data: missing; {experiment.data.path} is a folder of this machine. "
        "Give where the cluster finds it: gs://BUCKET/FOLDER, or a path on a mounted volume"
    )


def destination_folder(name: str, given: str) -> str:
    """A folder of versions: a path of the container, or a place in Cloud Storage, which is written directly.

    Raises:
      DeployError: it is neither.
    """
    if given.startswith("/") or (given.startswith("gs://") and given.removeprefix("gs://").strip("/")):
        return given.rstrip("/") or "/"
    raise DeployError(f"{name}: found {given!r}; give gs://BUCKET/FOLDER, or the path of a folder on a mounted volume")
