"""Build the JSON Schema of experiment files, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from modelmill.components.compress import method
from modelmill.components.models import family
from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import Experiment

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, with the fields of every modality, family and method that there is."""
    modalities = {name: modality.look_up(name) for name in plugins.names(modality.PACKAGE)}
    choices: dict[str, dict[str, Any]] = {
        "data": {name: found.Config for name, found in modalities.items()},
        "augment": {name: found.Policy for name, found in modalities.items()},
        "model": {name: family.look_up(name).Config for name in plugins.names(family.PACKAGE)},
        "method": {name: method.look_up(name).Config for name in plugins.names(method.PACKAGE)},
    }
    models = [Experiment, *(one for found in choices.values() for one in found.values())]
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
    for one in choices["method"].values():  # in a file the name stands before the settings
        definitions[named(one)].get("properties", {}).pop("method", None)
    settings = {name: {"$ref": f"#/$defs/{named(one)}"} for name, one in choices["method"].items()}
    steps = [
        {"enum": sorted(settings)},
        {"type": "object", "properties": settings, "additionalProperties": False, "maxProperties": 1},
    ]
    chains = definitions["CompressConfig"]["properties"]["chains"]
    chains["items"] = {"type": "array", "minItems": 1, "items": {"anyOf": steps}}
    chains.pop("default", None)
    top["required"] = ["data", "model"]
    return {"$schema": _DIALECT, **top, "title": "modelmill experiment", "$defs": definitions}
