"""What a task is handed and what it hands back, mended: the JSON around TFX's own container entrypoint.

Open-source KFP leaves out what TFX expects: the types of inputs, a place that TensorFlow can write to. It adds what TFX
does not know: an output for the log. It also refuses what TFX writes: null values in metadata. Everything here is plain
JSON, and knows nothing of TFX.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Any

import yaml

from modelmill.pipeline.runners.kubeflow import mounts
from modelmill.pipeline.runners.kubeflow.compile import parameters


def mend_input(
    executor_input: dict[str, Any],
    inputs_spec: dict[str, Any],
    keep_gs: bool,
    declared_outputs: Collection[str] | None = None,
) -> dict[str, Any]:
    """Mends an ExecutorInput in place.

    Args:
      executor_input: as the launcher has filled it in.
      inputs_spec: the component's inputs, as the compiler wrote them into the arguments.
      keep_gs: leave gs:// as it is, for Beam workers elsewhere.
      declared_outputs: keys of the outputs that the component declares; others are removed. None removes none.

    Returns:
      The properties that are for us and not for the executor.
    """
    inputs = executor_input.setdefault("inputs", {})
    declared = inputs_spec.get("artifacts", {})
    for key, one in _artifacts(inputs):
        one["metadata"] = {name: _unwrapped(value) for name, value in one.get("metadata", {}).items()}
        if key in declared or not _title(one.get("type")):
            # KFP's launcher gives no type, kfp.local gives system.Artifact, which TFX can't import.
            one["type"] = dict(declared[key]["artifactType"])
        one.setdefault("name", one["uri"])  # TFX makes ids of names
    if declared_outputs is not None:
        _remove_undeclared(executor_input.setdefault("outputs", {}), declared_outputs)
    found = inputs.get("artifacts", {})
    for key in [key for key, content in found.items() if _absent(content)]:
        del found[key]  # a task of Kubeflow always has its outputs; TFX says "nothing" with none
    for side in (inputs, executor_input.setdefault("outputs", {})):
        for _, one in _artifacts(side):
            if one.get("customPath"):
                one["uri"] = one.pop("customPath")
            elif not (keep_gs and one["uri"].startswith("gs://")):
                one["uri"] = mounts.local(one["uri"])
    fetched = found.pop(parameters.FETCHED, None)
    if fetched:
        inputs["parameterValues"]["input_base"] = fetched["artifacts"][0]["uri"]
    outputs = executor_input["outputs"]
    outputs["outputFile"] = mounts.local(outputs["outputFile"])
    given = inputs.setdefault("parameterValues", {})
    for key in ("destination", "history", "checkpoints"):
        if given.get(key, "").startswith("/"):  # versions on gs:// are read and written there, without a mount
            given[key] = mounts.local(given[key])
    extra = parameters.merge(given)
    if "eval_config" in given and "evaluate" in given:
        from modelmill.components.evaluate import component  # imports TFX

        given["eval_config"] = component.eval_config_json(given["evaluate"], given["task"])
    return extra


def mend_output(output: dict[str, Any], extra: dict[str, Any]) -> None:
    """Mends an ExecutorOutput in place: URIs as the launcher knows them, no nulls, and the label of the version.

    Args:
      output: as TFX has written it.
      extra: what `mend_input` gave back.
    """
    label = extra.get(f"{parameters.EXTRA}{parameters.LABEL}")
    for _, one in _artifacts(output):
        if "uri" in one:
            one["uri"] = mounts.remote(one["uri"])
        metadata = one.setdefault("metadata", {})
        if label:
            metadata[parameters.LABEL] = label
        for key, value in list(metadata.items()):
            if value is None:
                del metadata[key]  # the launcher ends with "unknown/unsupported value type"
            elif isinstance(value, str):
                metadata[key] = mounts.remote(value)  # blessings tell where the model lies


def add_driver_metadata(executor_input: dict[str, Any], driver_output: dict[str, Any]) -> None:
    """Span, version and fingerprint go to the output artifacts; TFX's entrypoint takes the properties alone."""
    outputs = executor_input["outputs"]["artifacts"]
    for key, one in _artifacts(driver_output):
        found = {name: value for name, value in one.get("metadata", {}).items() if value is not None}
        outputs[key]["artifacts"][0].setdefault("metadata", {}).update(found)


def refusal(executor_input: dict[str, Any], output: dict[str, Any]) -> str | None:
    """Why nothing was pushed, if that is what the task says: such a run must not look like one that did."""
    if any(one.get("metadata", {}).get("pushed") == 0 for _, one in _artifacts(output)):
        blessings = {key: one["metadata"].get("blessed") for key, one in _artifacts(executor_input["inputs"])}
        refused = [key for key, blessed in blessings.items() if key.endswith("blessing") and blessed != 1]
        return f"not pushed: {' and '.join(sorted(refused))} refused; the gates stand in the logs of those nodes"
    return None


def output_folders(executor_input: dict[str, Any]) -> list[str]:
    """Local folders of the outputs; the launcher makes their parents only, TFX's local one makes them too."""
    found = [one["uri"] for _, one in _artifacts(executor_input["outputs"])]
    return [path for path in found if "://" not in path]


def remote_outputs(executor_input: dict[str, Any]) -> list[str]:
    """Outputs that are written directly."""
    return [one["uri"] for _, one in _artifacts(executor_input["outputs"]) if one["uri"].startswith("gs://")]


def _artifacts(side: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, content in side.get("artifacts", {}).items():
        for one in content.get("artifacts", []):
            yield key, one


def _remove_undeclared(outputs: dict[str, Any], declared: Collection[str]) -> None:
    """Removes outputs that the component does not declare; whoever added them also fills them.

    The driver of KFP 2.5 and later adds `executor-logs`, a file of type system.Artifact: TFX can't import the type, and
    the launcher has opened the file already, so nothing may be made in its place.
    """
    artifacts = outputs.get("artifacts", {})
    undeclared = sorted(set(artifacts) - set(declared))
    for key in undeclared:
        del artifacts[key]
    if undeclared:
        logging.info("outputs that the component does not declare are left to the launcher: %s", ", ".join(undeclared))


def _absent(content: dict[str, Any]) -> bool:
    from modelmill.components import artifacts  # imports TFX: seconds, which a wrong command line should not take

    found = content.get("artifacts", [])
    return len(found) == 1 and found[0].get("metadata", {}).get(artifacts.FOUND) == 0


def _unwrapped(value: Any) -> Any:
    """Lists and mappings come back from KFP's metadata store as {"list": ...} and {"struct": ...}."""
    if isinstance(value, dict) and len(value) == 1:
        return value.get("list", value.get("struct", value))
    return value


def _title(type_: dict[str, Any] | None) -> str:
    """The name of a type, "" if there is none."""
    if not type_:
        return ""
    if type_.get("instanceSchema"):
        return str((yaml.safe_load(type_["instanceSchema"]) or {}).get("title", ""))
    return str(type_.get("schemaTitle", ""))
