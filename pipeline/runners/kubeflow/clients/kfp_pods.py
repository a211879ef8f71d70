"""Pods of a run on KFP, and their logs, as far as the API of its server and the server of its pages tell.

The API gives a task's Argo node ids (`child_tasks`), not the names of its pods. Argo makes these of the workflow's
name, the template's name and the last part of the node id; the template's name follows from the compiled pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

# Path with query to status and text.
Get = Callable[[str], tuple[int, str]]


def logs(run: Any, node: str | None, namespace: str | None, get: Get) -> Iterator[str]:
    """Yield the logs of a node's pods that can be had, the last attempt first.

    Args:
      run: as the API's client gives it.
      node: the task; all tasks that failed if absent.
      namespace: of the run.
      get: asks the server.
    """
    for pod in pods(run, node):
        text = _log(run, pod, namespace, get)
        if text is not None:
            yield text


def pods(run: Any, node: str | None) -> list[str]:
    """Return the names of the pods of a node (or of all tasks that failed), the last attempt first."""
    details = (run.run_details and run.run_details.task_details) or []
    named = [task for task in details if task.display_name == node]
    # The attempts of a task with retries are children of a task called "executor", whichever node it is of.
    inner = [task for task in details if task.state == "FAILED" and task not in named]
    found: dict[str, None] = {}
    for task in [*named, *inner] if any(task.state == "FAILED" for task in named) or not node else named:
        for child in reversed(task.child_tasks or []):
            for template in _templates(run, node):
                workflow, _, tail = (child.pod_name or "").rpartition("-")
                found[f"{workflow}-{template}-{tail}"] = None
    return list(found)


def _templates(run: Any, node: str | None) -> list[str]:
    """Return the names that the template of a node's pods may have."""
    name = "system-container-impl"
    given = run.pipeline_spec if isinstance(run.pipeline_spec, dict) else {}
    spec, platform = given.get("pipeline_spec", given), given.get("platform_spec") or {}
    task = spec.get("root", {}).get("dag", {}).get("tasks", {}).get(node)
    if task is None:
        return [name, f"retry-{name}"]
    if task.get("retryPolicy"):
        name = f"retry-{name}"
    executors = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    metadata = executors.get(f"exec-{node}", {}).get("podMetadata")
    if metadata:
        name = f"metadata-{len(metadata.get('annotations', {}))}-{len(metadata.get('labels', {}))}-{name}"
    return [name]


def _log(run: Any, pod: str, namespace: str | None, get: Get) -> str | None:
    """Return a pod's log by the server of the pages, else by the API server; both look into the archive, too."""
    query = {"podname": pod, "runid": run.run_id, "podnamespace": namespace or "kubeflow"}
    if run.created_at:
        query["createdat"] = f"{run.created_at:%Y-%m-%d}"
    for path in (f"/k8s/pod/logs?{urlencode(query)}", f"/apis/v1alpha1/runs/{run.run_id}/nodes/{pod}/log"):
        status, text = get(path)
        # The page of a user interface answers unknown paths with itself.
        if status == 200 and not text.lstrip().lower().startswith(("<!doctype", "<html")):
            return text
    return None
