"""The second document of a package for open-source KFP: what only Kubernetes knows."""

from __future__ import annotations

from typing import Any

from modelmill.pipeline.experiment.cluster_config import ClusterRunConfig, pod
from modelmill.pipeline.experiment.kubernetes_config import (
    SHARED_MEMORY,
    ConfigMap,
    Kubernetes,
    NodeAffinity,
    Secret,
    Toleration,
)


def document(run: ClusterRunConfig, selectors: dict[str, dict[str, str]]) -> dict[str, Any] | None:
    """Return `platforms.kubernetes` in the JSON form of kfp-kubernetes' KubernetesExecutorConfig.

    Args:
      run: what is asked for.
      selectors: by node, the node selector that finds its accelerator; the experiment's own goes over it.

    Returns:
      The document; None if nothing is asked for.
    """
    executors = {}
    for node, selector in selectors.items():
        wanted = pod(run.kubernetes, node)
        config = _config(wanted, {**selector, **wanted.node_selector})
        if config:
            executors[f"exec-{node}"] = config
    if not executors:
        return None
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _config(wanted: Kubernetes, selector: dict[str, str]) -> dict[str, Any]:
    """Fields without a value are left out."""
    config: dict[str, Any] = {
        "nodeSelector": {"labels": selector} if selector else None,
        "tolerations": [_toleration(one) for one in wanted.tolerations],
        "pvcMount": [
            {
                "constant": one.claim,
                "pvcNameParameter": _constant(one.claim),
                "mountPath": one.path,
                **({"subPath": one.sub_path} if one.sub_path else {}),
            }
            for one in wanted.volumes
        ],
        "secretAsVolume": [_files(one, "secretName") for one in wanted.secrets if one.path],
        "secretAsEnv": [_variables(one, "secretName", "secretKey") for one in wanted.secrets if one.env],
        "configMapAsVolume": [_files(one, "configMapName") for one in wanted.config_maps if one.path],
        "configMapAsEnv": [_variables(one, "configMapName", "configMapKey") for one in wanted.config_maps if one.env],
        "imagePullSecret": [
            {"secretName": name, "secretNameParameter": _constant(name)} for name in wanted.image_pull_secrets
        ],
        "emptyDirMounts": [*_shared_memory(wanted), *_empty_dirs(wanted)],
        "imagePullPolicy": wanted.image_pull_policy,
        "podMetadata": _filled({"labels": wanted.labels, "annotations": wanted.annotations}),
        "nodeAffinity": [_affinity(term) for term in wanted.node_affinity],
        "securityContext": _security(wanted),
        "activeDeadlineSeconds": str(wanted.active_deadline) if wanted.active_deadline else None,
        "genericEphemeralVolume": _ephemeral(wanted),
        "fieldPathAsEnv": [{"name": name, "fieldPath": field} for name, field in wanted.field_env.items()],
    }
    return _filled(config)


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _constant(value: str) -> dict[str, Any]:
    """Newer servers read names as parameters, older ones as plain fields: both are written, as kfp-kubernetes does."""
    return {"runtimeValue": {"constant": value}}


def _named(keys: Secret | ConfigMap, field: str) -> dict[str, Any]:
    """Return the fields that name a secret or a ConfigMap."""
    named: dict[str, Any] = {field: keys.name, f"{field}Parameter": _constant(keys.name)}
    return {**named, "optional": True} if keys.optional else named


def _files(keys: Secret | ConfigMap, field: str) -> dict[str, Any]:
    return {**_named(keys, field), "mountPath": keys.path}


def _variables(keys: Secret | ConfigMap, field: str, key_field: str) -> dict[str, Any]:
    pairs = [{key_field: key, "envVar": variable} for key, variable in keys.env.items()]
    return {**_named(keys, field), "keyToEnv": pairs}


def _shared_memory(wanted: Kubernetes) -> list[dict[str, Any]]:
    """Return an emptyDir in memory: no driver reads the field `enabledSharedMemory`."""
    if not wanted.shared_memory:
        return []
    return [{"volumeName": "shm", "mountPath": SHARED_MEMORY, "medium": "Memory", "sizeLimit": wanted.shared_memory}]


def _toleration(one: Toleration) -> dict[str, Any]:
    found: dict[str, Any] = {"key": one.key, "operator": one.operator, "value": one.value, "effect": one.effect}
    if one.seconds is not None:
        found["tolerationSeconds"] = str(one.seconds)  # an int64 is a text in protobuf's JSON
    return {key: value for key, value in found.items() if value}


def _empty_dirs(wanted: Kubernetes) -> list[dict[str, Any]]:
    return [
        _filled({"volumeName": f"empty-{place}", "mountPath": one.path, "medium": one.medium, "sizeLimit": one.size})
        for place, one in enumerate(wanted.empty_dirs)
    ]


def _ephemeral(wanted: Kubernetes) -> list[dict[str, Any]]:
    return [
        {
            "volumeName": f"ephemeral-{place}",
            "mountPath": one.path,
            "accessModes": [one.access],
            "size": one.size,
            **({"storageClassName": one.storage_class} if one.storage_class else {"defaultStorageClass": True}),
        }
        for place, one in enumerate(wanted.ephemeral_volumes)
    ]


def _affinity(term: NodeAffinity) -> dict[str, Any]:
    conditions = [_filled({"key": one.key, "operator": one.operator, "values": list(one.values)}) for one in term.match]
    return {"matchExpressions": conditions, **({"weight": term.weight} if term.weight else {})}


def _security(wanted: Kubernetes) -> dict[str, Any]:
    """Return the fields that are given: 0 is a user, false an answer."""
    found = wanted.security_context
    if found is None:
        return {}
    numbers = {"runAsUser": found.run_as_user, "runAsGroup": found.run_as_group}
    fields: dict[str, Any] = {key: str(value) for key, value in numbers.items() if value is not None}
    return {**fields, **({} if found.run_as_non_root is None else {"runAsNonRoot": found.run_as_non_root})}
