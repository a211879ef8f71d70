"""Open-source Kubeflow Pipelines, version 2."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

from modelmill.data.core import plugins
from modelmill.pipeline.experiment.cluster_config import of_node, pod
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow import kubernetes_document
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Operations, ServerOptions
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# One name for all platforms: (resource on Kubernetes, value of GKE's node label).
ACCELERATORS = {
    "nvidia-t4": ("nvidia.com/gpu", "nvidia-tesla-t4"),
    "nvidia-l4": ("nvidia.com/gpu", "nvidia-l4"),
    "nvidia-v100": ("nvidia.com/gpu", "nvidia-tesla-v100"),
    "nvidia-p100": ("nvidia.com/gpu", "nvidia-tesla-p100"),
    "nvidia-a100": ("nvidia.com/gpu", "nvidia-tesla-a100"),
    "nvidia-a100-80gb": ("nvidia.com/gpu", "nvidia-a100-80gb"),
    "nvidia-h100-80gb": ("nvidia.com/gpu", "nvidia-h100-80gb"),
    "tpu-v2": ("cloud-tpus.google.com/v2", None),
    "tpu-v3": ("cloud-tpus.google.com/v3", None),
    "tpu-v5e": ("google.com/tpu", "tpu-v5-lite-podslice"),
}
GKE_LABELS = {"google.com/tpu": "cloud.google.com/gke-tpu-accelerator"}
GKE_LABEL = "cloud.google.com/gke-accelerator"
# An extended resource of Kubernetes: a domain, a slash, a name.
RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


class Kubeflow(Platform):
    """Open-source KFP: a YAML file of the pipeline spec and a Kubernetes document; the launcher copies artifacts."""

    SUFFIX = ".yaml"
    ROOT_SCHEMES = ("gs://", "minio://", "s3://")
    ROOT_REASON = "the KFP driver takes object stores only; a mounted volume does for data, destination and checkpoints"
    DEFAULT_ROOT: ClassVar[str | None] = "minio://mlpipeline/v2/artifacts"
    FETCHED_SCHEMES = ("minio://", "s3://")
    # KFP's cache knows nothing of the files that ExampleGen reads; look-ups have to look each time; a push has to see
    # whether its version still stands (it is idempotent).
    NEVER_CACHED = ("ingest", "last-statistics", "baseline", "push")
    LOG_OUTPUT = "executor-logs"  # since 2.5, where PUBLISH_LOGS is true
    TAKES_DOCUMENT = True
    CRON_SECONDS = True
    SCHEDULE_FLAGS = ("--every", "--catch-up")
    OPTIONS = ("host", "namespace", "service_account", "token", "ca", "no_verify_tls")
    TOKEN_VARIABLE = "KFP_TOKEN"

    def text(self, job: dict[str, Any], document: dict[str, Any] | None) -> str:
        """See Platform."""
        documents = [job["pipelineSpec"], document] if document else [job["pipelineSpec"]]
        return yaml.safe_dump_all(documents, sort_keys=True, width=110, allow_unicode=True)

    def accelerator(self, node: str, name: str) -> tuple[str, dict[str, str]]:
        """See Platform. An extended resource of Kubernetes stays as it is."""
        if name in ACCELERATORS:
            resource, label = ACCELERATORS[name]
            return resource, {GKE_LABELS.get(resource, GKE_LABEL): label} if label else {}
        if RESOURCE.fullmatch(name):
            return name, {}
        unknown = plugins.unknown("accelerator", name, ACCELERATORS)
        raise DeployError(
            f"run.resources.{node}.accelerator.type: {unknown}; {self.name} also takes a Kubernetes resource, "
            "such as nvidia.com/gpu"
        )

    def document(self, experiment: Experiment, nodes: list[str]) -> dict[str, Any] | None:
        """See Platform."""
        selectors = {}
        for node in nodes:
            resources = of_node(experiment.run.resources, node)
            selectors[node] = self.limits(node, resources).node_selector if resources else {}
        return kubernetes_document.document(experiment.run, selectors)

    def environment(self, experiment: Experiment, node: str) -> dict[str, str]:
        """See Platform."""
        return pod(experiment.run.kubernetes, node).env

    def check_options(self, options: ServerOptions) -> None:
        """See Platform."""
        if not options.host:
            raise DeployError(
                "--host: missing; give the URL of Kubeflow Pipelines, such as http://localhost:8080 of a port-forward"
            )

    def connect(self, options: ServerOptions) -> Operations:
        """See Platform."""
        from modelmill.pipeline.runners.kubeflow.clients import kfp_client, kfp_operations

        self.check_options(options)
        connection = kfp_client.Connection(
            str(options.host),
            options.namespace,
            options.token,
            not options.no_verify_tls,
            options.ca,
            options.service_account,
        )
        return kfp_operations.KfpOperations(connection)
