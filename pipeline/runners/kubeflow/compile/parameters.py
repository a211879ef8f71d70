"""What may be changed from run to run without a new compile.

A parameter of KFP fills a whole execution property. Where our nodes have such a property it is filled; where the value
is only a part of one (the seed, in the Trainer's custom_config), the task gets a property more, which the entrypoint
merges in before it calls the executor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.errors import DeployError

STRING, INTEGER = "STRING", "NUMBER_INTEGER"
EXTRA = "modelmill_"
LABEL = "version_label"
# An input of `ingest` that TFX knows nothing of: its data, where the launcher had to fetch it.
FETCHED = f"{EXTRA}data"


@dataclass(frozen=True)
class Parameter:
    """A runtime parameter.

    Attributes:
      name: as a user gives it.
      type: STRING or NUMBER_INTEGER.
      what: one line for a person.
      fills: (node, property) pairs; a property that begins with EXTRA is merged by the entrypoint.
    """

    name: str
    type: str
    what: str
    fills: tuple[tuple[str, str], ...]

    def default(self, spec: dict[str, Any], experiment: Experiment) -> Any:
        """The value in the experiment."""
        if self.name == "train_epochs":
            return experiment.train.epochs
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
    Parameter("train_epochs", INTEGER, "epochs of the training", (("train", f"{EXTRA}epochs"),)),
    Parameter(LABEL, STRING, "stands in the metadata of what is pushed", (("push", f"{EXTRA}{LABEL}"),)),
)


def attach(spec: dict[str, Any], experiment: Experiment) -> None:
    """Declares the parameters, with the experiment's values as defaults, and lets the tasks take them."""
    for parameter in PARAMETERS:
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
        if declared[name]["parameterType"] == INTEGER:
            try:
                found[name] = int(value)
            except ValueError:
                raise DeployError(f"--param {text}: found {value!r}; '{name}' is a whole number") from None
            if not (1 if name == "train_epochs" else 0) <= found[name] < 2**31:
                raise DeployError(f"--param {text}: '{name}' is out of range")
    return found


def merge(properties: dict[str, Any]) -> dict[str, Any]:
    """Takes the extra properties out of a task's and puts them where the executor looks; gives back the extra ones."""
    extra = {key: properties.pop(key) for key in list(properties) if key.startswith(EXTRA)}
    for key, value in extra.items():
        put = _PUT.get(key.removeprefix(EXTRA))
        if put:
            custom = json.loads(properties["custom_config"])
            put(custom, value)
            properties["custom_config"] = json.dumps(custom)
    return extra


def _put_seed(custom: dict[str, Any], value: float) -> None:
    custom["seed"] = int(value)


def _put_epochs(custom: dict[str, Any], value: float) -> None:
    train = {**json.loads(custom["train"]), "epochs": int(value)}
    custom["train"] = json.dumps(train, sort_keys=True, separators=(",", ":"))  # as Strict.canonical writes it


_PUT: dict[str, Callable[[dict[str, Any], float], None]] = {"seed": _put_seed, "epochs": _put_epochs}
