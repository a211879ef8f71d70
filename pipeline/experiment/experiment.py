"""The experiment: one YAML file, composed of the configurations that their owners define.

Nothing here imports TensorFlow: a wrong word is refused within a second.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from modelmill.components.beam_runners import LOCAL_BEAM
from modelmill.components.compress.config import CompressConfig
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.load_check.config import CardConfig
from modelmill.components.models import family
from modelmill.components.models.family import FamilyConfig
from modelmill.components.push.config import PushConfig
from modelmill.components.train.config import TrainConfig
from modelmill.components.validate.config import ValidateConfig
from modelmill.data import modality, sample_data, task
from modelmill.data.config import DataConfig
from modelmill.data.core import files, plugins
from modelmill.data.core.config import Strict
from modelmill.data.core.fetch import resolve
from modelmill.data.policy import Policy
from modelmill.data.readers import labels_csv
from modelmill.data.spec import PATH
from modelmill.data.splits import SplitConfig
from modelmill.pipeline.experiment import renamed_keys
from modelmill.pipeline.experiment.cluster_config import ClusterRunConfig
from modelmill.pipeline.experiment.errors import MAPPING, explain
from modelmill.pipeline.experiment.errors import ExperimentError as ExperimentError  # a part of what `load` promises
from modelmill.pipeline.experiment.yaml_tree import override, read
from modelmill.pipeline.layout import NODES

SHIPPED = Path(__file__).parent.parent / "experiments"
# What the head of a shipped file tells `modelmill list`.
HEAD = ("command", "what", "data", "family", "time", "expect")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class RunConfig(ClusterRunConfig):
    """How the pipeline is executed."""

    seed: int = Field(0, ge=0, lt=2**31, description="Of everything random; the same seed, the same model.")
    beam: tuple[str, ...] = Field(LOCAL_BEAM, description="Beam pipeline options, as on its command line.")


class Experiment(Strict):
    """One experiment. `data`, `augment` and `model` have the further fields of their modality and family."""

    # `validate` is a method of pydantic's models: the section has another name in Python only.
    model_config = ConfigDict(serialize_by_alias=True)

    name: str
    plugins: str | None = Field(None, description="A folder of families, methods, ... of your own: docs/extending.md.")
    data: SerializeAsAny[DataConfig]
    split: SplitConfig = SplitConfig()
    validation: ValidateConfig = Field(ValidateConfig(), alias="validate")
    augment: SerializeAsAny[Policy]
    model: SerializeAsAny[FamilyConfig]
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    compress: CompressConfig = CompressConfig()
    card: CardConfig = CardConfig()
    push: PushConfig = PushConfig()
    run: RunConfig = RunConfig()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of its chain: all but `augment`, unless the augmentation is materialized."""
        return tuple(name for name in NODES if name != "augment" or self.augment.materializes())

    @field_validator("name")
    @classmethod
    def _usable_as_folder(cls, name: str) -> str:
        """It names a folder beside that of the shipped data sets, and a pipeline on Kubeflow."""
        if not NAME.fullmatch(name):
            raise ValueError("it should be small letters, digits and dashes, at most 63, and not begin with a dash")
        if name == "samples":
            raise ValueError("that folder holds the data sets that come with modelmill; take another name")
        if name in NODES:
            raise ValueError("that is the name of a node of the chain; take another name")
        return name

    @field_validator("data", "augment", "model", mode="wrap")
    @classmethod
    def _typed(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """These arrive validated by the plug-in that owns them (see `_owned`)."""
        return value


def load(source: str, overrides: list[str] | None = None) -> Experiment:
    """Reads a shipped experiment by name, or a file by path, with `key.sub=value` overrides.

    Raises:
      ExperimentError: with every problem of the file.
    """
    path = _path(source)
    tree = read(path, source)
    override(tree, overrides or [], source)
    return compose({"name": path.stem, **tree}, path.parent, source)


def compose(tree: dict[str, Any], folder: Path, source: str) -> Experiment:
    """An experiment of the sections of a file that lies in `folder` and is called `source`.

    Raises:
      ExperimentError: with every problem.
    """
    tree = dict(tree)
    problems: list[str] = []
    try:
        _use_plug_ins(tree, folder)
        tree = _with_names_of_today(tree, source)
        for section, value in _owned(tree, problems):
            tree[section] = value
        experiment = Experiment.model_validate(tree)
    except plugins.PlugInError as error:
        raise ExperimentError(source, [*problems, str(error)]) from error
    except ValidationError as error:
        problems += [explain(found, Experiment) for found in error.errors()]
        raise ExperimentError(source, problems) from None
    if problems:
        raise ExperimentError(source, problems)
    return _with_absolute_paths(_fitting(experiment, source), folder, source)


def _fitting(experiment: Experiment, source: str) -> Experiment:
    """With what the task gives where the experiment says nothing; what makes no sense with the task is refused."""
    asked = experiment.data.task
    of_classes = {"class_weights": experiment.train.class_weights != "none", "oversample": experiment.train.oversample}
    for field in [name for name, used in of_classes.items() if used and not task.look_up(asked).CLASSES]:
        raise ExperimentError(source, [f"train.{field}: data.task {asked} has no classes; leave it out"])
    integers = any(step.get("io") == "integer" for chain in experiment.compress.chains for step in chain)
    kind, preset = experiment.data.modality, experiment.compress.preset
    if integers and not modality.look_up(kind).BYTES:
        found = f"compress: int8 with io: integer takes bytes as they are, but an example of {kind} has none"
        advice = f"give chains of your own instead of preset: {preset}" if preset else "leave io out"
        raise ExperimentError(source, [f"{found}; {advice}"])
    try:
        family.foresee(experiment.model, experiment.data)
        experiment.compress.check(asked, experiment.model.family)
        return experiment.model_copy(update={"evaluate": experiment.evaluate.resolved(asked)})
    except ValueError as error:
        raise ExperimentError(source, [str(error)]) from error


def shipped() -> list[dict[str, str]]:
    """The head of every shipped experiment: name, command, what, data, family, time, expect."""
    found = []
    for path in sorted(SHIPPED.glob("*.yaml")):
        head = {"name": path.stem}
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.removeprefix("#").partition(":")
            if line.startswith("#") and key.strip() in HEAD:
                head[key.strip()] = value.strip()
        found.append(head)
    return found


def _use_plug_ins(tree: dict[str, Any], folder: Path) -> None:
    """Adds the experiment's own plug-ins, before anything is looked up by its name."""
    if isinstance(tree.get("plugins"), str):
        tree["plugins"] = str((folder / Path(tree["plugins"]).expanduser()).resolve())
        plugins.use(Path(tree["plugins"]))


def _with_names_of_today(tree: dict[str, Any], source: str) -> dict[str, Any]:
    """Accept renamed keys, with a warning for each."""
    tree, told = renamed_keys.accept(tree)
    for says in told:
        warnings.warn_explicit(says, FutureWarning, source, 0)
    return tree


def _owned(tree: dict[str, Any], problems: list[str]) -> Iterator[tuple[str, Any]]:
    """Validates the sections whose fields depend on a plug-in; what is wrong goes to `problems`."""

    def known(section: str, key: str, package: str, kind: str, required: bool = True) -> str | None:
        """The name of the plug-in that the section asks for, if there is one of that name."""
        where, values = f"{section}.{key}", tree.get(section)
        if not isinstance(values, dict) and values is not None:
            if required:
                problems.append(f"{section}: found {values!r}; {MAPPING}")
            return None
        name, allowed = (values or {}).get(key), plugins.names(package)
        if name in allowed:
            return str(name)
        if name is not None:
            problems.append(f"{where}: {plugins.unknown(kind, name, allowed)}")
        elif required:
            problems.append(f"{where}: missing; give a name; allowed: {', '.join(allowed)}")
        return None

    def validated(section: str, model: type[BaseModel]) -> Any:
        values = tree.get(section)
        try:
            return model.model_validate({} if values is None else values)
        except ValidationError as error:
            problems.extend(explain(found, model, section) for found in error.errors())
            return None

    if sample := known("data", "sample", sample_data.PACKAGE, "sample", required=False):
        sample_data.look_up(sample)  # a broken one is reported here, not when its files are written
    name = known("data", "modality", modality.PACKAGE, "modality")
    yield "data", validated("data", modality.look_up(name).Config) if name else None
    yield "augment", validated("augment", modality.look_up(name).Policy) if name else None
    kind, name = name, known("model", "family", family.PACKAGE, "family")
    if kind and name and kind not in family.look_up(name).MODALITIES:
        takes, fitting = ", ".join(family.look_up(name).MODALITIES), ", ".join(family.taking(kind)) or "none yet"
        problems.append(f"model.family: {name} takes {takes}, but data.modality is {kind}; families for it: {fitting}")
    yield "model", validated("model", family.look_up(name).Config) if name else None


def _path(source: str) -> Path:
    """The file of a shipped name or of a path."""
    path = Path(source)
    if (path / "experiment.yaml").is_file():  # a project, as `modelmill new` makes it
        return (path / "experiment.yaml").resolve()
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ExperimentError(source, ["there is no such file"])
        return path.resolve()
    if path.is_dir():
        raise ExperimentError(source, ["a folder without experiment.yaml; `modelmill new` writes one for your data"])
    known = [file.stem for file in SHIPPED.glob("*.yaml")]
    if source not in known:
        unknown = plugins.unknown("experiment", source, known)
        raise ExperimentError(source, [f"{unknown} (the path of a YAML file would do, too)"])
    return SHIPPED / f"{source}.yaml"


def _with_absolute_paths(experiment: Experiment, folder: Path, source: str) -> Experiment:
    """Relative paths are taken from the experiment file; what is read must be there."""
    data = {}
    for field in ("path", "schema_file"):
        value = getattr(experiment.data, field)
        if value is not None and not files.is_remote(value):
            path = (folder / Path(value).expanduser()).resolve()
            if not path.exists():
                raise ExperimentError(source, [f"data.{field}: found {value!r}; there is nothing at {path}"])
            data[field] = str(path)
    _check_columns(experiment, data.get("path"), source)
    push = {}
    if experiment.push.destination is not None:
        if "://" in experiment.push.destination:
            found = f"push.destination: found {experiment.push.destination!r}; give a folder"
            raise ExperimentError(source, [f"{found}; where a cluster pushes to is run.cluster.destination"])
        push["destination"] = str((folder / Path(experiment.push.destination).expanduser()).resolve())
    return experiment.model_copy(
        update={
            "data": experiment.data.model_copy(
                update={**data, **_outside("data", experiment.data.outside(), folder, source)}
            ),
            "augment": experiment.augment.model_copy(
                update=_outside("augment", experiment.augment.outside(), folder, source)
            ),
            "model": experiment.model.model_copy(update=_outside("model", experiment.model.files(), folder, source)),
            "push": experiment.push.model_copy(update=push),
        }
    )


def _outside(section: str, fields: dict[str, str], folder: Path, source: str) -> dict[str, str]:
    """The fields of a section that name files, their paths absolute."""
    found = {}
    for field, name in fields.items():
        path = str((folder / Path(name).expanduser()).resolve()) if resolve.is_local(name) else name
        if not files.is_remote(path):
            try:
                resolve.locate(path)
            except FileNotFoundError as error:
                raise ExperimentError(source, [f"{section}.{field}: found {name!r}; {error}"]) from error
        found[field] = path
    return found


def _check_columns(experiment: Experiment, folder: str | None, source: str) -> None:
    """Columns that the experiment names stand in the CSV, if that can be read here and now; it is read again later."""
    data, split, slices = experiment.data, experiment.split, experiment.evaluate.slices
    problems, columns = [], None
    kind = modality.look_up(data.modality)
    if modality.streams(data):  # a table's split is by any of its columns, and it brings no CSV of files
        columns = list(kind.columns(data))
        if data.csv is not None:
            problems.append(f"data.csv: found {data.csv!r}; files of {data.modality} label themselves, see data.files")
    elif data.csv is not None and folder is not None:
        try:
            columns = labels_csv.header(folder, data.csv)
        except labels_csv.BadDataError as error:
            raise ExperimentError(source, [str(error)]) from error
    elif data.csv is None:
        columns = []
        if split.column is not None:
            problems.append(f"split.column: found {split.column!r}, but there is no CSV; give data.csv")
    if columns is not None:
        if data.csv and split.column is not None and split.column not in columns:
            problems.append(f"split.column: {plugins.unknown('column', split.column, columns)}")
        allowed = {*kind.DESCRIBED, *columns} - {kind.INPUT, PATH, split.column}
        for name in slices or ():
            if name not in allowed:
                problems.append(f"evaluate.slices: {plugins.unknown('feature', name, map(str, allowed))}")
    if problems:
        raise ExperimentError(source, problems)
