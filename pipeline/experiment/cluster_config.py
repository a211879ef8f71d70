"""What `run` may say for a cluster: resources, retries, places. A local run reads none of it."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from modelmill.data.core import plugins
from modelmill.data.core.config import Strict
from modelmill.pipeline.experiment.kubernetes_config import IMPOSSIBLE, QUANTITY, Kubernetes, number_of_bytes
from modelmill.pipeline.layout import NODES

DEFAULT = "default"

Value = TypeVar("Value")


class Accelerator(Strict):
    """What a node trains on."""

    type: str = Field(description="Such as nvidia-t4, or the target's own name; docs/kubeflow.md has the table.")
    count: int = Field(1, ge=1, le=256)


class Requests(Strict):
    """What the scheduler reserves for a node's container."""

    cpu: float | None = Field(None, gt=0, le=1024, description="Cores.")
    memory: str | None = Field(None, pattern=f"^{QUANTITY}$", description="Such as 4G or 512Mi.")


class Resources(Strict):
    """What a node's container gets at most, and what is reserved for it: as much, if `requests` does not say less."""

    cpu: float | None = Field(None, gt=0, le=1024, description="Cores.")
    memory: str | None = Field(None, pattern=f"^{QUANTITY}$", description="Such as 4G or 512Mi.")
    accelerator: Accelerator | None = None
    requests: Requests = Requests()

    @model_validator(mode="before")
    @classmethod
    def _possible(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name == "ephemeral_storage":
                raise ValueError(f"{name}: found {values[name]!r}; {IMPOSSIBLE[name]}")
        return values

    @model_validator(mode="after")
    def _not_more_than_limits(self) -> Self:
        wanted = self.requests
        if wanted.cpu is not None and self.cpu is not None and wanted.cpu > self.cpu:
            raise ValueError(f"requests.cpu: found {wanted.cpu:g}; give at most the limit, cpu: {self.cpu:g}")
        if wanted.memory and self.memory and number_of_bytes(wanted.memory) > number_of_bytes(self.memory):
            raise ValueError(f"requests.memory: found {wanted.memory}; give at most the limit, memory: {self.memory}")
        return self


class Retry(Strict):
    """How often a failed node is tried again, and after how many seconds."""

    count: int = Field(ge=0, le=20)
    wait: int = Field(60, ge=0, le=86_400, description="Seconds before the first retry.")
    factor: float = Field(2.0, ge=1, le=100, description="By which each further wait is longer.")
    max_wait: int = Field(3600, ge=0, le=86_400, description="Seconds.")


class Cluster(Strict):
    """Where things lie for a cluster: the places of this machine mean nothing there."""

    root: str | None = Field(None, description="Of all artifacts: gs://, minio:// or s3://.")
    data: str | None = Field(None, description="Folder of the data: gs://, or a path on a mounted volume.")
    schema_file: str | None = Field(None, description="The curated schema: gs://, or a path in the container.")
    destination: str | None = Field(None, description="Takes a folder per version: a path on a mounted volume.")
    checkpoints: str | None = Field(None, description="Outlives a killed training, if it lies on a mounted volume.")


class ClusterRunConfig(Strict):
    """The part of `run` that is for clusters; keys are nodes, or `default` for those that are not named."""

    resources: dict[str, Resources] = {}
    retries: dict[str, int | Retry] = Field({}, description="How often a failed node is tried again.")
    time_limits: dict[str, int] = Field({}, description="Seconds.")
    cache: dict[str, bool] = Field({}, description="Whether a node's earlier outputs may be taken.")
    kubernetes: dict[str, Kubernetes] = Field({}, description="A node's own fields replace those of `default`.")
    cluster: Cluster = Cluster()

    @field_validator("resources", "retries", "time_limits", "cache", "kubernetes")
    @classmethod
    def _nodes(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in values:
            if name not in (DEFAULT, *NODES):
                raise ValueError(plugins.unknown("node", name, (DEFAULT, *NODES)))
        return values

    @field_validator("kubernetes")
    @classmethod
    def _pods(cls, values: dict[str, Kubernetes]) -> dict[str, Kubernetes]:
        for name in values:
            try:
                pod(values, name).check_unique()
            except ValueError as error:
                raise ValueError(f"{name}, with what it has of '{DEFAULT}': {error}") from error
        return values

    @field_validator("retries")
    @classmethod
    def _some_retries(cls, values: dict[str, int | Retry]) -> dict[str, int | Retry]:
        for name, value in values.items():
            if isinstance(value, int) and not 0 <= value <= 20:
                raise ValueError(f"{name}: found {value}; give 0 to 20")
        return values

    @field_validator("time_limits")
    @classmethod
    def _some_time(cls, values: dict[str, int]) -> dict[str, int]:
        for name, value in values.items():
            if value < 1:
                raise ValueError(f"{name}: found {value}; give at least 1 second")
        return values


def of_node(values: dict[str, Value], node: str) -> Value | None:
    """What is said of a node, or of all."""
    return values.get(node, values.get(DEFAULT))


def pod(values: dict[str, Kubernetes], node: str) -> Kubernetes:
    """How a node's pods are made: its own fields, and those of `default` that it does not have."""
    general, own = values.get(DEFAULT, Kubernetes()), values.get(node, Kubernetes())
    return general.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
