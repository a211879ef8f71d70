"""Runs a compiled package on this machine, doing the job of KFP's launcher: to prove it, and to debug one node.

Two modes. As open-source KFP v2 does it: inputs come without types (or with generic ones), each task has an output more
for its log, every pod has a disk of its own, artifacts are fetched before a task and taken away after it, drivers are
not called, and metadata goes through ML Metadata's types. As Vertex does it: artifacts are typed, the bucket is
mounted, and the driver of a task runs before it.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmill.pipeline.runners.kubeflow import mounts
from modelmill.pipeline.runners.kubeflow.compile.spec_file import container
from modelmill.pipeline.runners.kubeflow.emulator.container_command import TaskError, environment, execute
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# The type of every input: KFP's launcher gives none, kfp.local the most general one.
UNTYPED = {"instanceSchema": ""}
GENERIC = {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}
# Task, command, ExecutorInput, environment, log.
Execute = Callable[[str, list[str], dict[str, Any], dict[str, str], Path], None]


@dataclass
class Task:
    """What became of a task: RuntimeArtifacts by output key, the seconds that it took, and how often it was tried."""

    name: str
    attempts: int = 0
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0


def order(spec: dict[str, Any]) -> list[str]:
    """The tasks, each after those that it depends on."""
    left = {name: set(task.get("dependentTasks", [])) for name, task in spec["root"]["dag"]["tasks"].items()}
    done: list[str] = []
    while left:
        ready = sorted(name for name, needed in left.items() if needed <= set(done))
        assert ready, f"circle among {sorted(left)}"
        done += ready
        for name in ready:
            del left[name]
    return done


class LocalLauncher:
    """Runs a package, one task after the other.

    Args:
      spec: of the compiled file.
      platform: whose launcher is imitated.
      folder: of everything: `remote` (the object stores), `pods/TASK` (the pods' disks) and `logs`.
      watch: called with each task when it has ended.
      execute: runs a container's command, as container_command.execute does.
      input_type: of every input on open-source KFP, UNTYPED or GENERIC.
    """

    def __init__(
        self,
        spec: dict[str, Any],
        platform: Platform,
        folder: Path,
        watch: Callable[[Task], None] = lambda _: None,
        execute: Execute = execute,
        input_type: dict[str, str] = UNTYPED,
    ) -> None:
        self._spec, self._platform, self._folder, self._watch = spec, platform, folder, watch
        self.execute = execute
        self.input_type = input_type
        self._count = 0
        self.tasks: dict[str, Task] = {}

    def run(self, run_id: str, parameters: dict[str, Any] | None = None, last: str | None = None) -> dict[str, Task]:
        """Runs every task, or those before `last` and itself; what became of each.

        Raises:
          TaskError: one failed, as often as its retry policy allows; those after it are not run.
        """
        self.tasks = {}
        for name in order(self._spec):
            start = time.monotonic()
            self.tasks[name] = task = Task(name)
            executor_input = self._executor_input(name, run_id, parameters or {})
            if "importer" in self._executor(name):
                self._import(task, executor_input)
            else:
                self._try(task, executor_input, run_id)
            task.seconds = time.monotonic() - start
            self._watch(task)
            if name == last:
                break
        return self.tasks

    def _try(self, task: Task, executor_input: dict[str, Any], run_id: str) -> None:
        """Runs a task in a new pod, again if it fails and may be tried again; without the waiting between."""
        policy = self._spec["root"]["dag"]["tasks"][task.name].get("retryPolicy", {})
        while True:
            task.attempts += 1
            pod = self._pod(run_id, task.name)
            self._number_logs(executor_input, task.attempts - 1)
            self._fetch(pod, executor_input["inputs"]["artifacts"])
            for one in self._outputs(executor_input).values():
                (pod / _local(one["uri"])).parent.mkdir(parents=True, exist_ok=True)
            logs = self._platform.LOG_OUTPUT
            if logs in executor_input["outputs"]["artifacts"]:
                (pod / _local(self._outputs(executor_input)[logs]["uri"])).touch()
            try:
                self._execute(task.name, executor_input, pod, run_id)
            except TaskError:
                if task.attempts > policy.get("maxRetryCount", 0):
                    raise
                continue
            task.outputs = self._collect(executor_input, pod)
            return

    def _number_logs(self, executor_input: dict[str, Any], attempt: int) -> None:
        """Give each attempt a log of its own, as the launcher does."""
        logs = self._platform.LOG_OUTPUT
        for one in executor_input["outputs"]["artifacts"].get(logs, {}).get("artifacts", []):
            one["uri"] = f"{one['uri'].partition(logs)[0]}{logs}-{attempt}"

    def path(self, uri: str) -> Path:
        """Where an artifact lies in the object store."""
        return self._folder / "remote" / _local(uri)

    def _executor(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._spec["deploymentSpec"]["executors"][
            self._spec["components"][name]["executorLabel"]
        ]
        return found

    def _import(self, task: Task, executor_input: dict[str, Any]) -> None:
        """An importer makes an artifact of a URI, and runs nothing."""
        source = self._executor(task.name)["importer"]["artifactUri"]["runtimeParameter"]
        for key in executor_input["outputs"]["artifacts"]:
            self._count += 1
            uri = executor_input["inputs"]["parameterValues"][source]
            task.outputs[key] = {"uri": uri, "name": str(self._count), "metadata": {}}

    def _executor_input(self, name: str, run_id: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the driver of KFP (or Vertex) resolves."""
        task = self._spec["root"]["dag"]["tasks"][name]
        declared = self._spec["root"].get("inputDefinitions", {}).get("parameters", {})
        values = {}
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            if "componentInputParameter" in source:
                parameter = source["componentInputParameter"]
                values[key] = given.get(parameter, declared[parameter]["defaultValue"])
            else:
                values[key] = source["runtimeValue"]["constant"]
        inputs = {}
        for key, source in task.get("inputs", {}).get("artifacts", {}).items():
            wanted = source["taskOutputArtifact"]
            one = json.loads(json.dumps(self.tasks[wanted["producerTask"]].outputs[wanted["outputArtifactKey"]]))
            if not self._platform.TYPED_ARTIFACTS:
                one["type"] = dict(self.input_type)
            inputs[key] = {"artifacts": [one]}
        root = f"{self._spec['defaultPipelineRoot']}/{self._spec['pipelineInfo']['name']}/{run_id}/{name}"
        file = f"{root}/executor_output.json"
        if not self._platform.MOUNTS_BUCKET:
            # A folder for each execution; since 2.15 the driver puts the task's answer there, as the pod has it.
            root = f"{root}/{uuid.uuid4()}"
            file = f"/{_local(root)}/output_metadata.json"
        return {
            "inputs": {"parameterValues": values, "artifacts": inputs},
            "outputs": {"artifacts": self._provided(name, run_id, root), "outputFile": file},
        }

    def _provided(self, name: str, run_id: str, root: str) -> dict[str, Any]:
        """The artifacts that the driver provides for a task's outputs: those declared, and on KFP that of the log."""
        outputs = {}
        for key, output in self._spec["components"][name].get("outputDefinitions", {}).get("artifacts", {}).items():
            one = {"uri": f"{root}/{key}", "type": output["artifactType"], "metadata": dict(output.get("metadata", {}))}
            if self._platform.TYPED_ARTIFACTS:
                one["name"] = f"projects/1/locations/x/metadataStores/default/artifacts/{run_id}-{name}-{key}"
            outputs[key] = {"artifacts": [one]}
        logs = self._platform.LOG_OUTPUT
        if logs and "container" in self._executor(name):
            outputs[logs] = {"artifacts": [{"uri": f"{root}/{logs}", "type": dict(GENERIC), "metadata": {}}]}
        return outputs

    def _pod(self, run_id: str, name: str) -> Path:
        """The disk of a new pod. On Vertex the mounted bucket is the store itself."""
        folder = self._folder / "remote"
        if not self._platform.MOUNTS_BUCKET:
            folder = self._folder / "pods" / run_id / name
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _fetch(self, pod: Path, inputs: dict[str, Any]) -> None:
        """Copies the inputs to the pod's disk. What has no file is not there: object stores have no folders."""
        for content in inputs.values():
            for one in content["artifacts"]:
                if not self._platform.MOUNTS_BUCKET and self.path(one["uri"]).exists():
                    shutil.copytree(self.path(one["uri"]), pod / _local(one["uri"]), dirs_exist_ok=True)

    def _execute(self, name: str, executor_input: dict[str, Any], pod: Path, run_id: str) -> None:
        found = container(self._spec, name)
        log = self._folder / "logs" / run_id / f"{name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        file = pod / _local(executor_input["outputs"]["outputFile"])
        file.parent.mkdir(parents=True, exist_ok=True)
        check = found.get("lifecycle", {}).get("preCacheCheck")
        if self._platform.CALLS_DRIVERS and check:
            self.execute(name, [*check["command"], *check["args"]], executor_input, environment(pod), log)
            _merge(self._outputs(executor_input), json.loads(file.read_text()))
        variables = {**environment(pod), **{one["name"]: one["value"] for one in found.get("env", [])}}
        self.execute(name, [*found["command"], *found["args"]], executor_input, variables, log)

    def _collect(self, executor_input: dict[str, Any], pod: Path) -> dict[str, dict[str, Any]]:
        """Merges in what the task says of its outputs, takes their files away, and gives them ids."""
        outputs = self._outputs(executor_input)
        said = json.loads((pod / _local(executor_input["outputs"]["outputFile"])).read_text())
        logs = self._platform.LOG_OUTPUT
        assert logs not in said.get("artifacts", {}), f"{logs} is the launcher's to describe"
        _merge(outputs, said)
        if logs in outputs:
            assert (pod / _local(outputs.pop(logs)["uri"])).is_file(), f"{logs} is a file that the launcher writes"
        for one in outputs.values():
            assert one["uri"].startswith(self._spec["defaultPipelineRoot"]), f"not under the root: {one['uri']}"
            local = pod / _local(one["uri"])
            if not self._platform.MOUNTS_BUCKET and any(path.is_file() for path in local.rglob("*")):
                shutil.copytree(local, self.path(one["uri"]), dirs_exist_ok=True)
            for key, value in one["metadata"].items():
                one["metadata"][key] = _stored(value)
            if not self._platform.TYPED_ARTIFACTS:
                self._count += 1
                one["name"] = str(self._count)
        return outputs

    @staticmethod
    def _outputs(executor_input: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {key: content["artifacts"][0] for key, content in executor_input["outputs"]["artifacts"].items()}


def _stored(value: Any) -> Any:
    """As a value comes back from ML Metadata; what the launcher refuses is an error here, too."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, (list, dict)):
        return {"list" if isinstance(value, list) else "struct": value}
    if isinstance(value, str):
        return value
    raise TypeError(f"unknown/unsupported value type of a metadata field: {value!r}")


def _local(uri: str) -> str:
    """Below a pod's disk: minio://b/x and /minio/b/x are minio/b/x; a path of a real file stays as it is."""
    for scheme, folder in mounts.MOUNTS.items():
        if uri.startswith(folder):
            return uri.lstrip("/")
        if uri.startswith(scheme):
            return (folder + uri.removeprefix(scheme)).lstrip("/")
    return uri


def _merge(outputs: dict[str, dict[str, Any]], said: dict[str, Any]) -> None:
    """As the launcher does: URI and metadata of the first artifact of an output."""
    for key, content in said.get("artifacts", {}).items():
        if key in outputs and content.get("artifacts"):
            one = content["artifacts"][0]
            outputs[key]["uri"] = one.get("uri") or outputs[key]["uri"]
            outputs[key]["metadata"].update(one.get("metadata", {}))
