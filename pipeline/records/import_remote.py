"""Makes a run's folder of what a run on Kubeflow or Vertex has left below its pipeline root, fetched to this machine.

There the metadata store is the cluster's, and out of reach; the artifacts lie in RUN/TASK/KEY, in some versions with
the execution's number behind the task or below it. What only the store knows (times, what was cached) stays unknown.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

import yaml

from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders, RunFolder
from modelmill.pipeline.records import summary
from modelmill.pipeline.records.node_outcome import Outcome, Output

# Behind a task's name on Vertex; and a folder between the task and its outputs.
NUMBER = re.compile(r"_-?\d+$")
EXECUTION = re.compile(r"-?\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AdoptError(ValueError):
    """A folder that holds no run of the experiment; the message says what was expected."""


def adopt(source: Path, experiment: Experiment, root: Path) -> Path:
    """Writes ROOT/EXPERIMENT/ID with links to the artifacts, and gives it back; `report` and `runs` then know the run.

    Args:
      source: the run's folder: of the pipeline root PLACE it is PLACE/NAME/RUN.
      experiment: what was compiled.
      root: of all runs on this machine.

    Raises:
      AdoptError: there is no run of the experiment.
    """
    outcomes = {node: Outcome(node) for node in experiment.nodes}
    for task in sorted(source.iterdir()) if source.is_dir() else []:
        node = NUMBER.sub("", task.name)
        if task.is_dir() and node in outcomes:
            outcomes[node] = Outcome(node, "done", 0.0, _outputs(task))
    if not any(one.outputs for one in outcomes.values()):
        raise AdoptError(
            f"{source}: no folder of a run: there should be folders such as {source / 'ingest' / 'examples'}; fetch "
            "ROOT/NAME/RUN of the pipeline root, and name that"
        )
    folders = Folders(root, experiment.name)
    folder = RunFolder.create(folders, datetime.fromtimestamp(source.stat().st_mtime))
    for outcome in outcomes.values():
        for key, (output,) in outcome.outputs.items():
            link = folder.links / outcome.id / key
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(os.path.abspath(output.uri), target_is_directory=True)
    settings = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
    folder.copy.write_text(settings, encoding="utf-8")
    summary.write(folder.summary, summary.summarise(experiment, folder.id, None, 0.0, outcomes, []))
    return folder.path


def _outputs(task: Path) -> dict[str, list[Output]]:
    """The folders of a task's outputs, by their keys."""
    found: dict[str, list[Output]] = {}
    for child in sorted(path for path in task.iterdir() if path.is_dir()):
        if EXECUTION.fullmatch(child.name):
            found |= _outputs(child)
        elif not child.name.startswith("."):
            found[child.name] = [Output(str(child), _properties(child))]
    return found


def _properties(folder: Path) -> dict[str, str | int]:
    """Of a pushed model: TFX's artifact holds a copy of the version, and nothing if it was not pushed."""
    if folder.name != "pushed_model" or not any(folder.rglob("saved_model.pb")):
        return {}
    return {"pushed": 1, "pushed_destination": str(folder)}
