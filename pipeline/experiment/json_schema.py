"""Build the JSON Schema of experiment files, for editors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.json_schema import models_json_schema

from modelmill.components.compress import method
from modelmill.components.models import family
from modelmill.components.models.training import loop, strategy
from modelmill.data import modality, task
from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import Experiment

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, with the fields of every modality, family and method that there is."""
    modalities = {name: modality.look_up(name) for name in plugins.names(modality.PACKAGE)}
    tasks = {name: task.look_up(name).Config for name in plugins.names(task.PACKAGE)}
    choices: dict[str, dict[str, Any]] = {
        "data": {name: found.Config for name, found in modalities.items()},
        "augment": {name: found.Policy for name, found in modalities.items()},
        "model": {name: family.look_up(name).Config for name in plugins.names(family.PACKAGE)},
        "task": {name: config for name, config in tasks.items() if config.model_fields},
        "method": {name: method.look_up(name).Config for name in plugins.names(method.PACKAGE)},
        "loop": {name: loop.look_up(name).Config for name in plugins.names(loop.PACKAGE)},
        "strategy": {name: strategy.look_up(name).Config for name in plugins.names(strategy.PACKAGE)},
    }
    models = [
        Experiment,
        loop.LoopConfig,
        strategy.StrategyConfig,
        *(one for found in choices.values() for one in found.values()),
    ]
    refs, made = models_json_schema([(one, "validation") for one in dict.fromkeys(models)])
    definitions = made["$defs"]

    def named(model: Any) -> str:
        return str(refs[model, "validation"]["$ref"].rpartition("/")[2])

    def any_of(section: str) -> dict[str, Any]:
        return {"anyOf": [{"$ref": f"#/$defs/{named(one)}"} for one in choices[section].values()]}

    top = definitions.pop(named(Experiment))
    for section, key in (("data", "modality"), ("augment", None), ("model", "family")):
        top["properties"][section] = any_of(section)
        for one in choices[section].values() if key else ():
            definition = definitions[named(one)]
            definition["required"] = sorted({*definition.get("required", []), key})
    for one in choices["data"].values():
        _choose(definitions[named(one)]["properties"]["task"], tasks, named)

    def settings(section: str, key: str) -> dict[str, Any]:
        """Return the settings of each name; `key` of the Config is none of them, but holds the name."""
        for one in set(choices[section].values()):
            _drop(definitions[named(one)], key)
        return {name: {"$ref": f"#/$defs/{named(one)}"} for name, one in choices[section].items()}

    chains = definitions["CompressConfig"]["properties"]["chains"]
    chains["items"] = {"type": "array", "minItems": 1, "items": _name_or_settings(settings("method", "method"))}
    chains.pop("default", None)
    train = definitions["TrainConfig"]["properties"]
    for one in choices["strategy"].values():
        definitions[named(one)]["required"] = sorted({*definitions[named(one)].get("required", []), "name"})
    train["loop"] = {**_without_ref(train["loop"]), **_name_or_settings(settings("loop", "name"))}
    strategies = [{"enum": sorted(choices["strategy"])}, *any_of("strategy")["anyOf"]]
    train["strategy"] = {**_without_ref(train["strategy"]), "anyOf": strategies}
    for base in {loop.LoopConfig, strategy.StrategyConfig} - {*choices["loop"].values(), *choices["strategy"].values()}:
        definitions.pop(named(base))
    top["required"] = ["data", "model"]
    return {"$schema": _DIALECT, **top, "title": "modelmill experiment", "$defs": definitions}


def _name_or_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a name, or of a mapping of one name to its settings."""
    one = {"type": "object", "properties": settings, "additionalProperties": False, "maxProperties": 1}
    return {"anyOf": [{"enum": sorted(settings)}, one]}


def _drop(definition: dict[str, Any], key: str) -> None:
    """Drop a field from the schema of a Config."""
    definition.get("properties", {}).pop(key, None)
    if key in (required := definition.get("required", [])):
        required.remove(key)


def _without_ref(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field without its type."""
    return {key: value for key, value in schema.items() if key in ("default", "description")}


def _choose(found: dict[str, Any], tasks: dict[str, Any], named: Callable[[Any], str]) -> None:
    """Make of the schema of `data.task` that of a name, or of a name with the settings of that task."""
    settings = {
        name: {"$ref": f"#/$defs/{named(config)}"} if config.model_fields else {"type": "object", "maxProperties": 0}
        for name, config in tasks.items()
    }
    alone = [name for name, one in tasks.items() if not any(field.is_required() for field in one.model_fields.values())]
    found["anyOf"] = [
        {"enum": alone},
        {
            "type": "object",
            "properties": settings,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
