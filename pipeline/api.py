"""modelmill from Python: what `modelmill run` does, with typed results; TensorFlow is loaded when it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from modelmill.pipeline.experiment.experiment import Experiment, load
from modelmill.pipeline.layout import Folders, part_problem
from modelmill.pipeline.records import run as results
from modelmill.pipeline.records.run import Run

if TYPE_CHECKING:
    from tfx import v1 as tfx

# Makes, of the chain's nodes by their ids, further nodes of one's own.
MoreNodes = Callable[[dict[str, Any]], Iterable[Any]]

__all__ = ["Run", "RunError", "build_pipeline", "load_experiment", "run"]


class RunError(RuntimeError):
    """A run that failed; the message says why, `run` is what there is of it."""

    def __init__(self, found: Run) -> None:
        super().__init__(f"{found.failure or 'the run failed'}; log: {found.folder / 'log.txt'}")
        self.run = found


def load_experiment(source: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Reads and validates an experiment.

    Args:
      source: a shipped experiment's name, a YAML file, or a project's folder.
      overrides: by keys such as "train.epochs".

    Raises:
      ExperimentError: with every problem of the file.
    """
    given = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in (overrides or {}).items()]
    return load(os.fspath(source), given)


def build_pipeline(
    experiment: Experiment, root: str | os.PathLike[str] = "runs", more: MoreNodes | None = None
) -> tfx.dsl.Pipeline:
    """The TFX pipeline of an experiment, to look at or to hand to a runner of TFX's; nothing is run.

    Args:
      experiment: validated.
      root: of all runs; artifacts and metadata go below it.
      more: makes further nodes of your own from those of the chain, such as
        `lambda nodes: [Count(examples=nodes["ingest"].outputs["examples"])]`.
    """
    _keras_2()
    from modelmill.pipeline import graph

    pipeline = graph.build(experiment, Folders(Path(root), experiment.name))
    if more:
        pipeline.components = [*pipeline.components, *more({node.id: node for node in pipeline.components})]
    return pipeline


def run(
    experiment: Experiment | str | os.PathLike[str],
    root: str | os.PathLike[str] = "runs",
    *,
    first: str | None = None,
    last: str | None = None,
    more: MoreNodes | None = None,
    quiet: bool = False,
) -> Run:
    """Runs an experiment in this process, as `modelmill run` does, and tells on stdout how it goes.

    Args:
      experiment: validated, or what `load_experiment` takes.
      root: of all runs.
      first: the node to begin with, with the last run's outputs; one of `more` would do, too.
      last: the node to end with.
      more: further nodes of your own, see `build_pipeline`; they run after those that they take from.
      quiet: says nothing.

    Returns:
      What the run came to; a gate that refused is a result, too: `status` is "refused".

    Raises:
      ExperimentError: the experiment can't be run.
      RunError: the run failed.
      ValueError: there is no node `first` or `last`.
      BusyError: another process runs the same experiment there.
    """
    _keras_2()
    from modelmill.pipeline.runners.local import run as runner

    loaded = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    wrong = part_problem(first, last, loaded.nodes)
    if wrong and not more:
        raise ValueError(wrong)
    request = runner.Request(
        loaded,
        Path(root),
        first=first,
        last=last,
        build=lambda found, folders: build_pipeline(found, folders.root, more),
        tell="nothing" if quiet else "progress",
        screen=sys.stdout,
    )
    found = results.read(runner.run(request).folder.path)
    if found.status == "failed":
        raise RunError(found)
    return found


def _keras_2() -> None:
    """TensorFlow reads this when its Keras is first used: TFX works with Keras 2 only."""
    if os.environ.get("TF_USE_LEGACY_KERAS") != "1" and "keras.src" in sys.modules:
        raise RuntimeError(
            "Keras 3 is loaded already, and TFX works with Keras 2 only: start Python anew, and import pipeline and "
            "call it before tf.keras is used, or set TF_USE_LEGACY_KERAS=1"
        )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
