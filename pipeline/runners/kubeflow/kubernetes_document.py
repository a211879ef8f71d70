"""The second document of a package for open-source KFP: what only Kubernetes knows."""

from __future__ import annotations

from typing import Any

from modelmill.pipeline.experiment.cluster_config import ClusterRunConfig, Kubernetes, Secret, Toleration, pod


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
    secrets = wanted.secrets
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
        "secretAsVolume": [{**_secret(one), "mountPath": one.path} for one in secrets if one.path],
        "secretAsEnv": [
            {
                **_secret(one),
                "keyToEnv": [{"secretKey": key, "envVar": variable} for key, variable in one.env.items()],
            }
            for one in secrets
            if one.env
        ],
        "imagePullSecret": [
            {"secretName": name, "secretNameParameter": _constant(name)} for name in wanted.image_pull_secrets
        ],
        "enabledSharedMemory": {"volumeName": "shm", "size": wanted.shared_memory} if wanted.shared_memory else None,
    }
    return {key: value for key, value in config.items() if value}


def _constant(value: str) -> dict[str, Any]:
    """Newer servers read names as parameters, older ones as plain fields: both are written, as kfp-kubernetes does."""
    return {"runtimeValue": {"constant": value}}


def _secret(secret: Secret) -> dict[str, Any]:
    return {"secretName": secret.name, "secretNameParameter": _constant(secret.name)}


def _toleration(one: Toleration) -> dict[str, Any]:
    found: dict[str, Any] = {"key": one.key, "operator": one.operator, "value": one.value, "effect": one.effect}
    if one.seconds is not None:
        found["tolerationSeconds"] = str(one.seconds)  # an int64 is a text in protobuf's JSON
    return {key: value for key, value in found.items() if value}
