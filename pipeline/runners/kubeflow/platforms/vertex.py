"""Vertex AI Pipelines of Google Cloud."""

from __future__ import annotations

import json
from typing import Any

from modelmill.data.core import plugins
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Operations, ServerOptions
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.mounts import MOUNTS
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# One name for all platforms: type on Vertex.
ACCELERATORS = {
    "nvidia-t4": "NVIDIA_TESLA_T4",
    "nvidia-l4": "NVIDIA_L4",
    "nvidia-v100": "NVIDIA_TESLA_V100",
    "nvidia-p100": "NVIDIA_TESLA_P100",
    "nvidia-a100": "NVIDIA_TESLA_A100",
    "nvidia-a100-80gb": "NVIDIA_A100_80GB",
    "nvidia-h100-80gb": "NVIDIA_H100_80GB",
    "tpu-v2": "TPU_V2",
    "tpu-v3": "TPU_V3",
    "tpu-v5e": "TPU_V5_LITEPOD",
}


class Vertex(Platform):
    """Vertex: a JSON file of a PipelineJob; buckets are mounted, drivers are called, pods are nobody's to see."""

    SUFFIX = ".json"
    ROOT_SCHEMES = ("gs://",)
    ROOT_REASON = "Vertex reads gs:// only"
    NEVER_CACHED = ("last-statistics", "baseline", "push")
    CALLS_DRIVERS = True
    TYPED_ARTIFACTS = True
    MOUNTS_BUCKET = True
    OPTIONS = ("host", "project", "location", "service_account", "token")
    TOKEN_VARIABLE = "VERTEX_TOKEN"

    def text(self, job: dict[str, Any], document: dict[str, Any] | None) -> str:
        """See Platform."""
        return json.dumps(job, indent=1, sort_keys=True) + "\n"

    def accelerator(self, node: str, name: str) -> tuple[str, dict[str, str]]:
        """See Platform. Vertex's own names stay as they are."""
        if name in ACCELERATORS or name in ACCELERATORS.values():
            return ACCELERATORS.get(name, name), {}
        unknown = plugins.unknown("accelerator", name, ACCELERATORS)
        raise DeployError(
            f"run.resources.{node}.accelerator.type: {unknown}; {self.name} also takes Vertex's own name of one"
        )

    def notes(self, experiment: Experiment) -> tuple[str, ...]:
        """See Platform."""
        if experiment.run.kubernetes:
            return ("run.kubernetes is not used: Vertex shows nobody its pods",)
        return ()

    def folder(self, root: str, experiment: str, name: str) -> str | None:
        """See Platform."""
        return f"{root}/{experiment}/{name}"

    def checkpoints(self, given: str) -> str:
        """See Platform. Checkpoints are written with plain files, so gs:// goes by its mount."""
        if given.startswith("gs://"):
            return MOUNTS["gs://"] + given.removeprefix("gs://")
        if given.startswith("/"):
            return given
        raise DeployError(f"run.cluster.checkpoints: found {given!r}; on {self.name} give an absolute path or gs://...")

    def connect(self, options: ServerOptions) -> Operations:
        """See Platform."""
        from modelmill.pipeline.runners.kubeflow.clients import vertex_client

        connection = vertex_client.Connection(
            options.project, options.location, options.service_account, options.token, options.host
        )
        return vertex_client.VertexServer(connection)
