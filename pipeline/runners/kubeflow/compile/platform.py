"""The second document of a package for open-source KFP: what only Kubernetes knows."""

from __future__ import annotations

from typing import Any

from modelmill.pipeline.experiment.cluster_config import Kubernetes, Secret, Toleration, of_node, pod
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.compile.targets import Target, limits


def document(experiment: Experiment, nodes: list[str]) -> dict[str, Any] | None:
    """`platforms.kubernetes` in the JSON form of kfp-kubernetes' KubernetesExecutorConfig; None if nothing is asked."""
    executors = {}
    for node in nodes:
        wanted = pod(experiment.run.kubernetes, node)
        resources = of_node(experiment.run.resources, node)
        # The experiment's own selector goes over the one that finds the accelerator.
        found = limits(Target.KUBEFLOW, node, resources).node_selector if resources else {}
        config = _config(wanted, {**found, **wanted.node_selector})
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
