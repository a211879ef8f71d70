"""Pods of a node on Kubernetes, as an experiment asks for them: the fields that the driver of KFP puts into a pod."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.data.core.config import Strict

QUANTITY = r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|K|M|G|T)?"
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


class Kubernetes(Strict):
    """How the pods of a node are scheduled, and what is mounted into them."""

    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Secret, ...] = ()
    config_maps: tuple[ConfigMap, ...] = ()
    env: dict[str, str] = Field({}, description="Environment variables, such as AWS_REGION: eu-central-1.")
    image_pull_secrets: tuple[str, ...] = ()
    shared_memory: str | None = Field(None, pattern=f"^{QUANTITY}$", description="Size of /dev/shm, such as 2Gi.")

    @model_validator(mode="before")
    @classmethod
    def _possible(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name in IMPOSSIBLE:
                raise ValueError(f"{name}: found {values[name]!r}; {IMPOSSIBLE[name]}")
        return values

    @field_validator("env")
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
        variables = [*self.env, *(name for keys in (*self.secrets, *self.config_maps) for name in keys.env.values())]
        for what, found in (("path", self.mounts()), ("volume", self.volume_names()), ("variable", variables)):
            for name, count in Counter(found).items():
                if count > 1:
                    raise ValueError(f"the {what} {name} is given {count} times; give it once")

    def mounts(self) -> list[str]:
        """Return the paths at which something is mounted."""
        found = [keys.path for keys in (*self.secrets, *self.config_maps) if keys.path]
        found += [volume.path for volume in self.volumes]
        return [*found, *([SHARED_MEMORY] if self.shared_memory else [])]

    def volume_names(self) -> list[str]:
        """Return the names of the pod's volumes: KFP calls them like what they hold."""
        found = [keys.name for keys in (*self.secrets, *self.config_maps) if keys.path]
        return [*found, *(volume.claim for volume in self.volumes)]
