"""The Argo Workflow that Kubeflow's API server makes of a package calls driver and launcher as these tests do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from modelmill.pipeline.experiment.experiment import SHIPPED
from tests.kubeflow.real import cluster
from tests.kubeflow.real.package import Package, Servers
from tests.kubeflow.real.test_package import DATA, ON_A_VOLUME, compiled

pytestmark = [pytest.mark.kubeflow, pytest.mark.kubeflow_real]

SETTINGS = [*ON_A_VOLUME, f"run.cluster.data={DATA}", "run.retries={train: 3}", "run.resources={train: {cpu: 2}}"]
SERVERS = Servers(1, 2)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package with all that the API server treats in a way of its own."""
    source = tmp_path_factory.mktemp("package") / "digits.yaml"
    source.write_text((SHIPPED / "digits-cnn.yaml").read_text())
    return compiled(source.parent, source, *SETTINGS)


@pytest.fixture(scope="module")
def workflow(package: Package) -> dict[str, Any]:
    """The Workflow."""
    program = os.environ.get(cluster.COMPILER)
    if not program:
        pytest.skip(f"{cluster.COMPILER}: not set; it is optional, and docs/kubeflow.md says what it is")
    done = subprocess.run([program, str(package.path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["spec"]
    return found


def template(workflow: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a template of the Workflow."""
    (found,) = [one for one in workflow["templates"] if one["name"] == name]
    return found


def options(words: list[str]) -> set[str]:
    """Return the names of the options in a command."""
    return {re.sub("=.*", "", word) for word in words if word.startswith("--")}


def arguments(workflow: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a task, those in JSON read, with the Workflow's parameters filled in."""
    parameters = {one["name"]: one["value"] for one in workflow["arguments"]["parameters"]}
    found = {}
    for one in task["arguments"]["parameters"]:
        name = re.fullmatch(r"\{\{workflow\.parameters\.(.+)\}\}", one["value"])
        value = parameters[name[1]] if name else one["value"]
        found[one["name"]] = _normal(json.loads(value)) if value.startswith('{"') else value
    return found


def _normal(value: Any) -> Any:
    """Return JSON as protobuf writes it: without the fields that have no value."""
    if isinstance(value, dict):
        return {key: _normal(one) for key, one in value.items() if one not in (None, "", [], 0)}
    return [_normal(one) for one in value] if isinstance(value, list) else value


def test_the_options_of_the_programs_are_those_of_the_workflow(package: Package, workflow: dict[str, Any]) -> None:
    ours = {
        "system-dag-driver": package.root_driver("1", {}, SERVERS),
        "system-container-driver": package.container_driver("train", "1", 1, SERVERS),
        "system-importer": package.importer("data", "1", 1, SERVERS),
    }
    for name, words in ours.items():
        assert options(words) == options(template(workflow, name)["container"]["args"]), name


def test_every_task_is_handed_over_as_it_stands_in_the_package(package: Package, workflow: dict[str, Any]) -> None:
    tasks = {task["name"]: task for task in template(workflow, "root")["dag"]["tasks"]}
    assert set(tasks) == {f"{name}-driver" for name in package.tasks if name != "data"} | set(package.tasks)
    for name, task in package.tasks.items():
        importer = name == "data"
        found = arguments(workflow, tasks[name if importer else f"{name}-driver"])
        assert found["component"] == _normal(package.component(name)), name
        assert found["task"] == _normal(task), name
        key = "importer" if importer else "container"
        assert found[key] == _normal(package.executor(name)[key]), name
        if not importer:
            assert found["kubernetes-config"] == _normal(json.loads(package.kubernetes(name))), name


def test_the_run_starts_with_the_defaults_of_the_package(package: Package, workflow: dict[str, Any]) -> None:
    driver = template(workflow, "entrypoint")["dag"]["tasks"][0]
    assert arguments(workflow, driver)["runtime-config"] == _normal(package.runtime_config({}, None))


def test_retries_are_argos(workflow: dict[str, Any]) -> None:
    tasks = {task["name"]: task for task in template(workflow, "root")["dag"]["tasks"]}
    given = {one["name"]: one["value"] for one in tasks["train"]["arguments"]["parameters"]}
    assert given["retry-max-count"] == "3"
    # Argo's own default: what failed is tried again, not what Kubernetes took away (a pod that was deleted).
    strategy = template(workflow, "retry-system-container-impl")["retryStrategy"]
    assert "retryPolicy" not in strategy
    (variable,) = [
        one
        for one in template(workflow, "retry-system-container-impl")["container"]["env"]
        if one["name"] == "KFP_RETRY_INDEX"
    ]
    assert variable["value"] == "{{retries}}"
