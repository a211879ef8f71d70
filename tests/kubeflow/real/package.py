"""A compiled package, and the arguments by which Kubeflow's driver and launcher run it.

In a cluster the API server writes these arguments into an Argo Workflow; test_workflow.py holds them against one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OUTPUTS = "/tmp/outputs"
CREATED = "2026-01-05T06:00:00Z"
# Of both programs; each insists on all that the API server writes.
COMMON = ["--log_level", "1", "--publish_logs", "true", "--cache_disabled=false"]
COMMON += ["--ml_pipeline_tls_enabled=false", "--metadata_tls_enabled=false", "--ca_cert_path", ""]


@dataclass(frozen=True)
class Servers:
    """The ports of ML Metadata and of the API server, on loopback."""

    metadata: int
    api: int

    def metadata_words(self) -> list[str]:
        """Return the address of ML Metadata."""
        return ["--mlmd_server_address", "127.0.0.1", "--mlmd_server_port", str(self.metadata)]

    def words(self) -> list[str]:
        """Return both addresses."""
        api = ["--ml_pipeline_server_address", "127.0.0.1", "--ml_pipeline_server_port", str(self.api)]
        return [*api, *self.metadata_words()]


class Package:
    """A compiled file: the pipeline spec, and the platform's part of each executor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec, *others = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        self.name: str = self.spec["pipelineInfo"]["name"]
        self.tasks: dict[str, Any] = self.spec["root"]["dag"]["tasks"]
        platform = others[0]["platforms"]["kubernetes"] if others else {"deploymentSpec": {"executors": {}}}
        self._platform: dict[str, Any] = platform["deploymentSpec"]["executors"]

    def component(self, task: str) -> dict[str, Any]:
        """Return the component of a task."""
        found: dict[str, Any] = self.spec["components"][self.tasks[task]["componentRef"]["name"]]
        return found

    def executor(self, task: str) -> dict[str, Any]:
        """Return how a task is run: a container or an importer."""
        found: dict[str, Any] = self.spec["deploymentSpec"]["executors"][self.component(task)["executorLabel"]]
        return found

    def kubernetes(self, task: str) -> str:
        """Return the platform's part of a task, as an argument of the driver."""
        found = self._platform.get(self.component(task)["executorLabel"])
        return json.dumps(found) if found else ""

    def runtime_config(self, parameters: dict[str, Any], root: str | None) -> dict[str, Any]:
        """Return the RuntimeConfig of a run, with the defaults that the API server fills in."""
        declared = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        defaults = {name: one["defaultValue"] for name, one in declared.items() if "defaultValue" in one}
        return {"parameterValues": {**defaults, **parameters}, **({"gcsOutputDirectory": root} if root else {})}

    def root_driver(self, run_id: str, runtime_config: dict[str, Any], servers: Servers) -> list[str]:
        """Return the arguments of the driver that starts a run."""
        own = ["--type", "ROOT_DAG", "--component", json.dumps(self.spec["root"]), "--task", "", "--task_name", ""]
        own += ["--dag_execution_id", "0", "--runtime_config", json.dumps(runtime_config)]
        return [*own, *_outputs("execution_id", "iteration_count"), *self._driver(run_id, servers)]

    def container_driver(self, task: str, run_id: str, dag: int, servers: Servers) -> list[str]:
        """Return the arguments of the driver that comes before a container."""
        own = ["--type", "CONTAINER", "--component", json.dumps(self.component(task))]
        own += ["--task", json.dumps(self.tasks[task]), "--task_name", task, "--dag_execution_id", str(dag)]
        own += ["--container", json.dumps(self.executor(task)["container"])]
        own += ["--kubernetes_config", self.kubernetes(task)]
        return [*own, *_outputs("cached_decision", "pod_spec_patch"), *self._driver(run_id, servers)]

    def importer(self, task: str, run_id: str, dag: int, servers: Servers) -> list[str]:
        """Return the arguments of the launcher that makes an artifact of a URI."""
        own = ["--executor_type", "importer", "--task_spec", json.dumps(self.tasks[task])]
        own += ["--component_spec", json.dumps(self.component(task))]
        own += ["--importer_spec", json.dumps(self.executor(task)["importer"])]
        own += ["--pipeline_name", self.name, "--run_id", run_id, "--parent_dag_id", str(dag)]
        own += ["--pod_name", "$(KFP_POD_NAME)", "--pod_uid", "$(KFP_POD_UID)"]
        return [*own, *servers.metadata_words(), *COMMON]

    def _driver(self, run_id: str, servers: Servers) -> list[str]:
        """Return what both kinds of drivers are told."""
        run = ["--pipeline_name", self.name, "--run_id", run_id, "--run_name", f"run-{run_id[:5]}"]
        run += ["--run_display_name", self.name, "--pipeline_job_create_time_utc", CREATED, "--iteration_index", "-1"]
        proxies = ["--http_proxy", "", "--https_proxy", "", "--no_proxy", ""]
        return [*run, *_outputs("condition"), *proxies, *servers.words(), *COMMON]


def _outputs(*names: str) -> list[str]:
    """Return the options that name the files for what the driver decides."""
    return [word for name in names for word in (f"--{name}_path", f"{OUTPUTS}/{name}")]
