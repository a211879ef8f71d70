"""What the KFP v2 API server, its compiler to Argo and Vertex refuse, rule by rule, read in their sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# Argo makes Kubernetes names of them (RFC 1123).
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# An argument may not be longer than Linux takes (MAX_ARG_STRLEN); the input of the executor comes on top.
LONGEST = 100_000


def broken(spec: dict[str, Any], document: dict[str, Any] | None, platform: Platform) -> list[str]:
    """The rules that a package breaks, as `rule: what`; empty if it is good."""
    return [
        f"{rule.__name__.removeprefix('_')}: {what}" for rule in RULES for what in rule(spec, document or {}, platform)
    ]


def _tasks(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["root"].get("dag", {}).get("tasks", {})
    return found


def _component(spec: dict[str, Any], task: str) -> dict[str, Any]:
    """The component of a task; empty if there is none."""
    found: dict[str, Any] = spec["components"].get(_tasks(spec)[task].get("componentRef", {}).get("name"), {})
    return found


def _schema_version(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """The API server takes schema 2.1.0 only."""
    if spec.get("schemaVersion") != "2.1.0":
        yield f"found {spec.get('schemaVersion')!r}"


def _pipeline_name(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """pipelineInfo.name is there and is a name."""
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not PIPELINE_NAME.fullmatch(name):
        yield f"found {name!r}"


def _task_names(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """Names of tasks, components and executors have no underscores and are short; one task is there at least."""
    if not _tasks(spec):
        yield "there is no task"
    for name in (*_tasks(spec), *spec.get("components", {}), *spec["deploymentSpec"]["executors"]):
        if not NAME.fullmatch(name):
            yield name


def _components_exist(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """Every task has its component, and every component its executor."""
    for name in _tasks(spec):
        component = _component(spec, name)
        if not component:
            yield f"{name} has no component"
        elif component.get("executorLabel") not in spec["deploymentSpec"]["executors"]:
            yield f"{name} has no executor"


def _no_resolvers(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """Executors are containers and importers: resolvers are not implemented in open-source KFP."""
    for name, executor in spec["deploymentSpec"]["executors"].items():
        if set(executor) not in ({"container"}, {"importer"}):
            yield f"{name} is {', '.join(executor)}"


def _containers(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """A container has an image and a command: the launcher takes the place of the image's own entrypoint."""
    for name, executor in spec["deploymentSpec"]["executors"].items():
        found = executor.get("container", {})
        if "importer" in executor:
            continue
        if not found.get("image") or not found.get("command"):
            yield name


def _producers_exist(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """An input comes from an output that its producer declares, and the producer is among the dependent tasks."""
    for name, task in _tasks(spec).items():
        inputs = task.get("inputs", {})
        given = [(one.get("taskOutputArtifact"), "artifacts") for one in inputs.get("artifacts", {}).values()]
        given += [(one.get("taskOutputParameter"), "parameters") for one in inputs.get("parameters", {}).values()]
        for source, kind in given:
            if source is None:
                continue
            producer = source["producerTask"]
            outputs = spec["components"].get(producer, {}).get("outputDefinitions", {}).get(kind, {})
            key = source.get("outputArtifactKey") or source.get("outputParameterKey")
            if producer not in _tasks(spec) or key not in outputs:
                yield f"{name} takes {key} of {producer}"
            elif producer not in task.get("dependentTasks", []):
                yield f"{name} does not depend on {producer}"


def _dependencies(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """Dependent tasks exist, and none depends on itself by any way."""
    tasks = _tasks(spec)
    left = {name: set(task.get("dependentTasks", [])) for name, task in tasks.items()}
    for name, needed in left.items():
        for one in needed - set(tasks):
            yield f"{name} depends on {one}"
    while ready := [name for name, needed in left.items() if not needed & set(left)]:
        for name in ready:
            del left[name]
    if left:
        yield f"circle among {', '.join(sorted(left))}"


def _inputs_declared(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """A task gives its component exactly the inputs that it declares, of optional ones as many as it likes."""
    for name, task in _tasks(spec).items():
        declared = _component(spec, name).get("inputDefinitions", {})
        for kind in ("artifacts", "parameters"):
            wanted, given = declared.get(kind, {}), task.get("inputs", {}).get(kind, {})
            for key in set(given) - set(wanted):
                yield f"{name}.{key} is not declared"
            for key in set(wanted) - set(given):
                if not wanted[key].get("isOptional") and "defaultValue" not in wanted[key]:
                    yield f"{name}.{key} is not given"


def _root_parameters(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """A parameter that a task takes is declared in the root, of the same type, and has a default."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, task in _tasks(spec).items():
        for key, given in task.get("inputs", {}).get("parameters", {}).items():
            source = given.get("componentInputParameter")
            if source is None:
                continue
            if source not in declared or "defaultValue" not in declared[source]:
                yield f"{name}.{key} takes {source}"
                continue
            wanted = _component(spec, name).get("inputDefinitions", {}).get("parameters", {}).get(key, {})
            if wanted.get("parameterType") != declared[source]["parameterType"]:
                yield f"{name}.{key} is a {wanted.get('parameterType')}, {source} is not"


def _pipeline_root(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """The root has a bucket, and a scheme that the platform reaches."""
    root = spec.get("defaultPipelineRoot", "")
    if not root.startswith(platform.ROOT_SCHEMES) or not root.split("://")[-1]:
        yield f"found {root!r}"


def _arguments(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """Arguments are texts, and short enough for the system; the executor's input goes into one of them."""
    for name, executor in spec["deploymentSpec"]["executors"].items():
        found = executor.get("container", {})
        if "importer" in executor:
            continue
        args = [*found.get("command", []), *found.get("args", [])]
        if any(not isinstance(arg, str) or len(arg.encode()) > LONGEST for arg in args):
            yield f"{name} has an argument that is too long, or none"
        if args.count("{{$}}") != 1:
            yield f"{name} does not take the executor's input once"


def _document(spec: dict[str, Any], document: dict[str, Any], platform: Platform) -> Iterator[str]:
    """The Kubernetes document speaks of executors that there are; not every platform takes one."""
    if not document:
        return
    if not platform.TAKES_DOCUMENT or set(document) != {"platforms"} or set(document["platforms"]) != {"kubernetes"}:
        yield "unexpected"
        return
    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name in set(executors) - set(spec["deploymentSpec"]["executors"]):
        yield f"no executor {name}"


RULES = (
    _schema_version,
    _pipeline_name,
    _task_names,
    _components_exist,
    _no_resolvers,
    _containers,
    _producers_exist,
    _dependencies,
    _inputs_declared,
    _root_parameters,
    _pipeline_root,
    _arguments,
    _document,
)
