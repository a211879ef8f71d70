"""Pods of a node on Kubernetes, as an experiment asks for them: the fields that the driver of KFP puts into a pod."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data.core.config import Strict

QUANTITY = r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|K|M|G|T)?"
BYTES = {"": 1, **{unit: 1000**power for power, unit in enumerate("KMGT", 1)}}
BYTES |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", 1)}
ABSOLUTE = r"/[^\s]*"
# A volume is called like the claim, secret or ConfigMap that it holds; names of volumes are labels of DNS.
VOLUME_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHARED_MEMORY = "/dev/shm"
# What people ask for and KFP can't do; the message of an unknown field would send them looking for a slip.
IMPOSSIBLE = {
    "ephemeral_storage": "the pipeline spec has no such resource; give an ephemeral volume (ephemeral_volumes)",
    "pod_affinity": "KFP's driver reads none (2.17); give a node selector or node_affinity",
    "topology_spread": "KFP has no such field; give a node selector or node_affinity",
    "priority_class": "KFP has no such field; let the cluster's administrator set a default priority class",
    "runtime_class": "KFP has no such field",
    "host_network": "KFP has no such field",
    "init_containers": "servers before KFP 2.17 refuse a pipeline that has any",
    "sidecars": "KFP has no such field",
    "privileged": "KFP drops all capabilities of a pod",
    "capabilities": "KFP drops all capabilities of a pod",
    "fs_group": "KFP has no such field; give the volume rights for user 1000, group 0",
    "service_account": "all pods of a run have one; give it to the run (submit --service-account)",
}


def number_of_bytes(quantity: str) -> float:
    """Return the number of bytes of a quantity."""
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", quantity)
    assert found, "the configuration has checked it"
    return float(found[1]) * BYTES[found[2]]


class Volume(Strict):
    """A persistent volume claim, mounted into the containers."""

    claim: str = Field(pattern=f"^{VOLUME_NAME}$")
    path: str = Field(pattern=f"^{ABSOLUTE}$", description="Where it is mounted.")
    sub_path: str = ""


class _Keys(Strict):
    """A Kubernetes object of keys and values, as files under `path` or as environment variables."""

    name: str = Field(min_length=1)
    path: str | None = Field(None, pattern=f"^{ABSOLUTE}$")
    env: dict[str, str] = Field({}, description="Key: name of the environment variable.")
    optional: bool = Field(False, description="Whether the pod starts without it.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.path is None) == (not self.env):
            raise ValueError("give either 'path' (files) or 'env' (key: VARIABLE)")
        if self.path is not None and not re.fullmatch(VOLUME_NAME, self.name):
            raise ValueError(
                f"found name {self.name!r}; KFP calls the volume like it: as files, give one of small letters, digits "
                "and dashes, at most 63"
            )
        return self


class Secret(_Keys):
    """A Kubernetes secret, as files under `path` or as environment variables."""


class ConfigMap(_Keys):
    """A ConfigMap, as files under `path` or as environment variables."""


class Toleration(Strict):
    """As Kubernetes has it."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: int | None = Field(None, ge=0)


class Requirement(Strict):
    """A condition on a node's label, as Kubernetes has it."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _with_values(self) -> Self:
        without = self.operator in ("Exists", "DoesNotExist")
        if without == bool(self.values):
            raise ValueError(f"operator {self.operator} takes {'no values' if without else 'values; give some'}")
        return self


class NodeAffinity(Strict):
    """Nodes on which a pod has to run, or with a weight: would rather run. All conditions of one must hold."""

    match: tuple[Requirement, ...] = Field(min_length=1)
    weight: int | None = Field(None, ge=1, le=100)


class SecurityContext(Strict):
    """As whom the container runs."""

    run_as_user: int | None = Field(None, ge=0)
    run_as_group: int | None = Field(None, ge=0)
    run_as_non_root: bool | None = None

    @model_validator(mode="after")
    def _root(self) -> Self:
        if self.run_as_non_root and self.run_as_user == 0:
            raise ValueError("run_as_user: found 0, which is root; run_as_non_root forbids it")
        return self


class EmptyDir(Strict):
    """A folder that lives as long as its pod, on the node's disk or in memory."""

    path: str = Field(pattern=f"^{ABSOLUTE}$")
    size: str | None = Field(None, pattern=f"^{QUANTITY}$", description="The most that it may hold.")
    medium: Literal["", "Memory"] = ""


class EphemeralVolume(Strict):
    """A volume that is made for a pod and deleted with it."""

    path: str = Field(pattern=f"^{ABSOLUTE}$")
    size: str = Field(pattern=f"^{QUANTITY}$")
    storage_class: str = Field("", description="The cluster's default one if absent.")
    access: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"] = "ReadWriteOnce"


class Kubernetes(Strict):
    """How the pods of a node are scheduled, and what is mounted into them."""

    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Secret, ...] = ()
    config_maps: tuple[ConfigMap, ...] = ()
    env: dict[str, str] = Field({}, description="Environment variables, such as AWS_REGION: eu-central-1.")
    image_pull_secrets: tuple[str, ...] = ()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    shared_memory: str | None = Field(None, pattern=f"^{QUANTITY}$", description="Size of /dev/shm, such as 2Gi.")
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    node_affinity: tuple[NodeAffinity, ...] = ()
    security_context: SecurityContext | None = None
    active_deadline: int | None = Field(None, ge=1, description="Seconds; then Kubernetes ends the pod.")
    empty_dirs: tuple[EmptyDir, ...] = ()
    ephemeral_volumes: tuple[EphemeralVolume, ...] = ()
    field_env: dict[str, str] = Field({}, description="Variable: field of the pod, such as NODE: spec.nodeName.")

    @model_validator(mode="before")
    @classmethod
    def _possible(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name in IMPOSSIBLE:
                raise ValueError(f"{name}: found {values[name]!r}; {IMPOSSIBLE[name]}")
        return values

    @field_validator("env", "field_env")
    @classmethod
    def _variables(cls, values: dict[str, str]) -> dict[str, str]:
        for name in values:
            if not VARIABLE.fullmatch(name):
                raise ValueError(f"{name}: it is no name of an environment variable; give letters, digits and _")
            if name.startswith("MODELMILL_") and name != "MODELMILL_PLUGINS":
                raise ValueError(f"{name}: the compiler sets it; leave it out")
        return values

    @model_validator(mode="after")
    def _once(self) -> Self:
        self.check_unique()
        return self

    def check_unique(self) -> None:
        """Raise ValueError where two things have one path, or a name that KFP makes names of volumes of."""
        variables = [
            *self.env,
            *self.field_env,
            *(name for keys in (*self.secrets, *self.config_maps) for name in keys.env.values()),
        ]
        for what, found in (("path", self.mounts()), ("volume", self.volume_names()), ("variable", variables)):
            for name, count in Counter(found).items():
                if count > 1:
                    raise ValueError(f"the {what} {name} is given {count} times; give it once")

    def mounts(self) -> list[str]:
        """Return the paths at which something is mounted."""
        found = [keys.path for keys in (*self.secrets, *self.config_maps) if keys.path]
        found += [volume.path for volume in self.volumes]
        found += [volume.path for volume in self.empty_dirs]
        found += [volume.path for volume in self.ephemeral_volumes]
        return [*found, *([SHARED_MEMORY] if self.shared_memory else [])]

    def volume_names(self) -> list[str]:
        """Return the names of the pod's volumes: KFP calls them like what they hold."""
        found = [keys.name for keys in (*self.secrets, *self.config_maps) if keys.path]
        found += [volume.claim for volume in self.volumes]
        found += [f"empty-{place}" for place in range(len(self.empty_dirs))]
        found += [f"ephemeral-{place}" for place in range(len(self.ephemeral_volumes))]
        return [*found, *(["shm"] if self.shared_memory else [])]
