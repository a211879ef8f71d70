"""What an experiment begins with besides its data: fetched if need be, and looked at before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from modelmill.data.core import files, format
from modelmill.data.core.fetch import resolve
from modelmill.pipeline.experiment.errors import ExperimentError
from modelmill.pipeline.experiment.experiment import Experiment


def prepare(experiment: Experiment, phase: Callable[[str], AbstractContextManager[Callable[[str], None]]]) -> None:
    """Fetches checkpoints, lexicons and the like that are not here yet, and looks at those that a model begins with.

    Args: phase: makes the context in which something is fetched, and tells it; what it gives is told how far it is.

    Raises:
      ExperimentError: something can't be fetched, or is not what it should be.
    """
    named = {
        **{f"data.{field}": name for field, name in experiment.data.outside().items()},
        **{f"augment.{field}": name for field, name in experiment.augment.outside().items()},
        **{f"model.{field}": name for field, name in experiment.model.files().items()},
    }
    _check_remote_data(experiment)
    problems: dict[str, str] = {}  # by what they say: two sections may name the same checkpoint
    for field, name in named.items():
        wanted = resolve.awaited(name)
        try:
            if wanted:
                with phase(f"fetching {wanted}") as tell:
                    resolve.locate(name, lambda count: tell(format.megabytes(count)))
        except FileNotFoundError as error:
            problems.setdefault(str(error), field)
    if not problems:
        looks: list[tuple[str, Callable[[], None]]] = [
            ("data", experiment.data.look),
            ("augment", experiment.augment.look),
            ("model", lambda: experiment.model.look(experiment.data)),
        ]
        for section, look in looks:
            try:
                look()
            except (ValueError, FileNotFoundError) as error:
                problems.setdefault(str(error), section)
    if problems:
        raise ExperimentError(experiment.name, [_with(field, told) for told, field in problems.items()])


def _check_remote_data(experiment: Experiment) -> None:
    """Raise ExperimentError where data in a store is not there, or its scheme is one that TensorFlow lacks."""
    problems = []
    for field in ("path", "schema_file"):
        name = getattr(experiment.data, field)
        try:
            if name is not None and files.is_remote(name):
                files.check_readable(name)
        except FileNotFoundError:
            problems.append(f"data.{field}: found {name!r}; there is nothing there")
        except OSError as error:
            problems.append(f"data.{field}: found {name!r}; {error.strerror}")
    if problems:
        raise ExperimentError(experiment.name, problems)


def _with(field: str, told: str) -> str:
    """Each problem begins with its field; some name it themselves, more exactly."""
    return told if told.startswith(f"{field}.") else f"{field}: {told}"
