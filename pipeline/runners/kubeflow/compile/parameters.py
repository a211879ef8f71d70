"""What may be changed from run to run without a new compile.

A parameter of KFP fills a whole execution property. Where our nodes have such a property it is filled; where the value
is only a part of one (the seed, in the Trainer's custom_config), the task gets a property more, which the entrypoint
merges in before it calls the executor. Numbers of the sections `train`, `evaluate` and `compress` are such parts: the
section is validated again with the new value, by its own model, when a run is submitted and in the pod.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from modelmill.components.compress.config import CompressConfig
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.train.config import TrainConfig
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.errors import DeployError

STRING, INTEGER, DOUBLE = "STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE"
EXTRA = "modelmill_"
LABEL = "version_label"
# An input of `ingest` that TFX knows nothing of: its data, where the launcher had to fetch it.
FETCHED = f"{EXTRA}data"
# Between the parts of a key of a section, in the name of an extra property: modelmill_train__optimizer__learning_rate.
PART = "__"
# Sections whose numbers are parameters: their model, and (node, property that holds the section as JSON).
SECTIONS: dict[str, tuple[type[Strict], str, str]] = {
    "train": (TrainConfig, "train", "custom_config"),
    "evaluate": (EvaluateConfig, "evaluate", "evaluate"),
    "compress": (CompressConfig, "compress", "config"),
}
# Fields that the node evaluate-compressed has copies of, by the property of it that holds them.
COPIES = {
    "bounds": ("compress.max_drop", "compress.margin", "compress.min_agreement", "compress.max_calibration_rise"),
    "config": ("evaluate.confidence", "evaluate.min_slice"),
}
# It is told by the environment: the number of processes changes no result.
NO_PARAMETERS = ("compress.workers", "compress.candidate")


@dataclass(frozen=True)
class Parameter:
    """A runtime parameter.

    Attributes:
      name: as a user gives it.
      type: STRING, NUMBER_INTEGER or NUMBER_DOUBLE.
      what: one line for a person.
      fills: (node, property) pairs; a property that begins with EXTRA is merged by the entrypoint.
      given: the value in the experiment, of a number of a section.
    """

    name: str
    type: str
    what: str
    fills: tuple[tuple[str, str], ...]
    given: float | None = None

    def default(self, spec: dict[str, Any], experiment: Experiment) -> Any:
        """The value in the experiment."""
        if self.given is not None:
            return self.given
        if self.name == LABEL:
            return ""
        node, key = self.fills[0]
        value = spec["root"]["dag"]["tasks"][node]["inputs"]["parameters"][key]["runtimeValue"]["constant"]
        return int(value) if self.type == INTEGER else value  # protobuf's JSON has doubles only


PARAMETERS = (
    Parameter("data_path", STRING, "folder of the data", (("ingest", "input_base"),)),
    Parameter(
        "push_destination",
        STRING,
        "folder that takes a sub-folder per version",
        (
            ("push", "destination"),
            ("baseline", "destination"),
            ("last-statistics", "destination"),
            ("data-gate", "history"),
        ),
    ),
    Parameter(
        "seed", INTEGER, "of everything random", (("compress", "seed"), ("train", f"{EXTRA}seed"), ("augment", "seed"))
    ),
    Parameter(LABEL, STRING, "stands in the metadata of what is pushed", (("push", f"{EXTRA}{LABEL}"),)),
)


def numbers(experiment: Experiment) -> Iterator[Parameter]:
    """Yield a parameter for every number in the sections of SECTIONS, such as train_optimizer_learning_rate."""
    for section, (_, node, _) in SECTIONS.items():
        for path, value in _numbers(getattr(experiment, section).model_dump(mode="json"), (section,)):
            key = ".".join(path)
            if key in NO_PARAMETERS:
                continue
            fills = [(node, EXTRA + PART.join(path))]
            for holder, keys in COPIES.items():
                if key in keys:
                    fills.append(("evaluate-compressed", EXTRA + PART.join((holder, *path[1:]))))
            kind = INTEGER if isinstance(value, int) else DOUBLE
            yield Parameter("_".join(path), kind, f"{key} of the experiment", tuple(fills), value)


def _numbers(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the numbers in a mapping of mappings; lists, such as chains, are wiring."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield (*path, key), value


def attach(spec: dict[str, Any], experiment: Experiment) -> None:
    """Declares the parameters, with the experiment's values as defaults, and lets the tasks take them."""
    for parameter in (*PARAMETERS, *numbers(experiment)):
        default = parameter.default(spec, experiment)
        declared = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        declared[parameter.name] = {
            "parameterType": parameter.type,
            "defaultValue": default,
            "isOptional": True,
            "description": parameter.what,
        }
        for node, key in parameter.fills:
            if node not in experiment.nodes:
                continue
            wanted = spec["components"][node]["inputDefinitions"]["parameters"]
            wanted.setdefault(key, {"parameterType": parameter.type})
            filled = spec["root"]["dag"]["tasks"][node]["inputs"]["parameters"]
            filled[key] = {"componentInputParameter": parameter.name}


def values(declared: Mapping[str, Any], given: list[str]) -> dict[str, Any]:
    """`name=value` texts to values of the declared types.

    Args:
      declared: the parameters in the root of a pipeline spec.
      given: as on a command line.

    Raises:
      DeployError: the pipeline has no such parameter, or the value is not of its type.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise DeployError(f"--param {text}: give name=value, such as train_epochs=5")
        if name not in declared:
            raise DeployError(f"--param {text}: {plugins.unknown('parameter', name, declared)}")
        if name in found:
            raise DeployError(f"--param {text}: '{name}' is given twice")
        found[name] = value
        kind = declared[name]["parameterType"]
        if kind != STRING:
            try:
                found[name] = int(value) if kind == INTEGER else float(value)
            except ValueError:
                what = "a whole number" if kind == INTEGER else "a number"
                raise DeployError(f"--param {text}: found {value!r}; '{name}' is {what}") from None
        if name == "seed" and not 0 <= found[name] < 2**31:
            raise DeployError(f"--param {text}: 'seed' is out of range; give 0 to {2**31 - 1}")
    return found


def check(spec: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Validate given values in the sections of a compiled pipeline, as the pods will.

    Raises:
      DeployError: the model of a section refuses a value.
    """
    for task in spec["root"]["dag"]["tasks"].values():
        properties, changed = {}, []
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            parameter = source.get("componentInputParameter")
            if parameter in given:
                properties[key] = given[parameter]
                changed.append(f"{parameter}={given[parameter]}")
            elif parameter is None:
                properties[key] = source.get("runtimeValue", {}).get("constant")
        try:
            merge(properties)
        except ValueError as error:
            raise DeployError(f"--param {', '.join(changed)}: {error}") from error


def merge(properties: dict[str, Any]) -> dict[str, Any]:
    """Take the extra properties out of a task's and put them where the executor looks; return the extra ones.

    Raises:
      ValueError: the model of a section refuses a value.
    """
    extra = {key: properties.pop(key) for key in list(properties) if key.startswith(EXTRA)}
    sections: dict[str, dict[tuple[str, ...], Any]] = {}
    for key, value in extra.items():
        section, *path = key.removeprefix(EXTRA).split(PART)
        if path:
            sections.setdefault(section, {})[tuple(path)] = value
        elif section == "seed" and "custom_config" in properties:
            properties["custom_config"] = json.dumps({**json.loads(properties["custom_config"]), "seed": int(value)})
    for section, values_ in sections.items():
        if section not in SECTIONS:
            properties[section] = json.dumps(_with(json.loads(properties[section]), values_))
            continue
        model, _, holder = SECTIONS[section]
        nested = holder == "custom_config"  # the section is one of several texts in it
        outer = json.loads(properties[holder]) if nested else {section: properties[holder]}
        found = _validated(model, section, _with(json.loads(outer[section]), values_))
        if isinstance(found, EvaluateConfig):
            found = found.resolved(properties["task"])
        outer[section] = found.canonical()
        properties[holder] = json.dumps(outer) if nested else outer[section]
    return extra


def _with(tree: dict[str, Any], values_: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return a tree with values at their paths."""
    for path, value in values_.items():
        place = tree
        for part in path[:-1]:
            place = place[part]
        whole = isinstance(place[path[-1]], int) and value == int(value)
        place[path[-1]] = int(value) if whole else value  # protobuf has no whole numbers
    return tree


def _validated(model: type[Strict], section: str, tree: dict[str, Any]) -> Strict:
    """Return a section, validated by its model."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join([section, *map(str, found["loc"])])
        raise ValueError(f"{key}: found {found['input']!r}; {found['msg']}") from None
