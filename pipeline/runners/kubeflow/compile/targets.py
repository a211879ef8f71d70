"""The two targets, and what each of them takes: images, roots, accelerators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from modelmill.data.core import plugins
from modelmill.pipeline.experiment.cluster_config import Resources

# What the launcher of open-source KFP mounts, and what Vertex mounts.
SCHEMES = ("gs://", "minio://", "s3://")
DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"

# One name for both: (resource on Kubernetes, node label and its value on GKE, type on Vertex).
ACCELERATORS = {
    "nvidia-t4": ("nvidia.com/gpu", "nvidia-tesla-t4", "NVIDIA_TESLA_T4"),
    "nvidia-l4": ("nvidia.com/gpu", "nvidia-l4", "NVIDIA_L4"),
    "nvidia-v100": ("nvidia.com/gpu", "nvidia-tesla-v100", "NVIDIA_TESLA_V100"),
    "nvidia-p100": ("nvidia.com/gpu", "nvidia-tesla-p100", "NVIDIA_TESLA_P100"),
    "nvidia-a100": ("nvidia.com/gpu", "nvidia-tesla-a100", "NVIDIA_TESLA_A100"),
    "nvidia-a100-80gb": ("nvidia.com/gpu", "nvidia-a100-80gb", "NVIDIA_A100_80GB"),
    "nvidia-h100-80gb": ("nvidia.com/gpu", "nvidia-h100-80gb", "NVIDIA_H100_80GB"),
    "tpu-v2": ("cloud-tpus.google.com/v2", None, "TPU_V2"),
    "tpu-v3": ("cloud-tpus.google.com/v3", None, "TPU_V3"),
    "tpu-v5e": ("google.com/tpu", "tpu-v5-lite-podslice", "TPU_V5_LITEPOD"),
}
# An extended resource of Kubernetes: a domain, a slash, a name.
RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
IMAGE = re.compile(
    r"(?P<name>[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)
BYTES = {"": 1, **{unit: 1000**power for power, unit in enumerate("KMGT", 1)}}
BYTES |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", 1)}


class DeployError(ValueError):
    """What was asked for can't be compiled or submitted; the message says what to give instead."""


class Target(StrEnum):
    """Where the pipeline is to run."""

    KUBEFLOW = "kubeflow"
    VERTEX = "vertex"


# Of compiled files: clients decide by it.
SUFFIXES = {Target.KUBEFLOW: ".yaml", Target.VERTEX: ".json"}


@dataclass(frozen=True)
class Limits:
    """Resources in the words of a target."""

    spec: dict[str, object]
    node_selector: dict[str, str]


def image(given: str | None, allow_latest: bool) -> str:
    """The image, if it is named so that it stays the same.

    Raises:
      DeployError: none is given, it is no image, or it has neither a tag nor a digest.
    """
    if not given:
        raise DeployError("--image: missing; give the image that holds modelmill, such as registry/modelmill:0.1.0")
    found = IMAGE.fullmatch(given)
    if not found:
        raise DeployError(f"--image: found {given!r}; give REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST")
    if not found["digest"] and found["tag"] in (None, "latest") and not allow_latest:
        what = "the tag 'latest'" if found["tag"] else "neither tag nor digest"
        raise DeployError(
            f"--image: {given!r} has {what}: what runs would change by itself, and the cache would not know. "
            "Give a version, or --allow-latest"
        )
    return given


def root(target: Target, given: str | None) -> str:
    """The pipeline root.

    Raises:
      DeployError: the target can't reach it.
    """
    if given is None:
        if target is Target.VERTEX:
            raise DeployError("--root: missing; Vertex has no default root, give gs://BUCKET/FOLDER")
        given = DEFAULT_ROOT
    allowed = ("gs://",) if target is Target.VERTEX else SCHEMES
    if not given.startswith(allowed) or not given.split("://")[1].strip("/"):
        reason = (
            "Vertex reads gs:// only"
            if target is Target.VERTEX
            else "the KFP driver takes object stores only; a mounted volume does for data, destination and checkpoints"
        )
        raise DeployError(f"root: found {given!r}; {target} takes {', '.join(allowed)} with a bucket: {reason}")
    return given.rstrip("/")


def limits(target: Target, node: str, wanted: Resources) -> Limits:
    """What a container of `node` may use, as the target's pipeline spec says it.

    Raises:
      DeployError: the target does not know the accelerator.
    """
    spec: dict[str, object] = {}
    selector: dict[str, str] = {}
    if wanted.cpu is not None:
        spec |= {"cpuLimit": wanted.cpu, "resourceCpuLimit": f"{wanted.cpu:g}"}
    if wanted.memory is not None:
        # The number is in units of 10^9 bytes, the text as Kubernetes has it; newer servers read the text.
        spec |= {"memoryLimit": _bytes(wanted.memory) / 1e9, "resourceMemoryLimit": wanted.memory}
    if wanted.accelerator is not None:
        name, selector = _accelerator(target, node, wanted.accelerator.type)
        count = str(wanted.accelerator.count)
        spec["accelerator"] = {"type": name, "count": count, "resourceType": name, "resourceCount": count}
    return Limits(spec, selector)


def _accelerator(target: Target, node: str, name: str) -> tuple[str, dict[str, str]]:
    """The target's name for an accelerator, and the node selector that finds it on GKE."""
    if name in ACCELERATORS:
        resource, label, vertex = ACCELERATORS[name]
        if target is Target.VERTEX:
            return vertex, {}
        tpu = resource == "google.com/tpu"
        key = "cloud.google.com/gke-tpu-accelerator" if tpu else "cloud.google.com/gke-accelerator"
        return resource, {key: label} if label else {}
    if target is Target.KUBEFLOW and RESOURCE.fullmatch(name):
        return name, {}
    if target is Target.VERTEX and name in {vertex for _, _, vertex in ACCELERATORS.values()}:
        return name, {}
    own = "a Kubernetes resource, such as nvidia.com/gpu" if target is Target.KUBEFLOW else "Vertex's own name of one"
    unknown = plugins.unknown("accelerator", name, ACCELERATORS)
    raise DeployError(f"run.resources.{node}.accelerator.type: {unknown}; {target} also takes {own}")


def _bytes(quantity: str) -> float:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", quantity)
    assert found, "the configuration has checked it"
    return float(found[1]) * BYTES[found[2]]
