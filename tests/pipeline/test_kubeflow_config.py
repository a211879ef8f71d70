"""The part of `run` that is for clusters: merged per node, and refused by field name."""

from __future__ import annotations

import pytest

from modelmill.pipeline.experiment.cluster_config import Resources, of_node, pod
from modelmill.pipeline.experiment.experiment import ExperimentError, load
from modelmill.pipeline.experiment.kubernetes_config import Kubernetes


def test_a_node_has_its_own_or_the_default() -> None:
    values = {"default": Resources(cpu=2), "train": Resources(cpu=8)}
    assert of_node(values, "train") == Resources(cpu=8)
    assert of_node(values, "push") == Resources(cpu=2)
    assert of_node({"train": 1}, "push") is None


def test_a_nodes_own_fields_replace_those_of_the_default() -> None:
    values = {
        "default": Kubernetes(node_selector={"disk": "ssd"}, image_pull_secrets=("registry",)),
        "train": Kubernetes(node_selector={"gpu": "yes"}),
    }
    found = pod(values, "train")
    assert found.node_selector == {"gpu": "yes"}
    assert found.image_pull_secrets == ("registry",)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("run.resources={trian: {cpu: 1}}", "unknown node 'trian'; allowed: .*did you mean 'train'"),
        ("run.resources={train: {cpus: 1}}", "run.resources.train.cpus: unknown key 'cpus'; .*did you mean 'cpu'"),
        ("run.resources={train: {cpu: 0}}", "run.resources.train.cpu: found 0; it should be greater than 0"),
        ("run.resources={train: {memory: lots}}", "run.resources.train.memory: found 'lots'"),
        ("run.resources={train: {accelerator: {type: t4, count: 0}}}", "run.resources.train.accelerator.count"),
        ("run.retries={train: 99}", "run.retries: .*train: found 99; give 0 to 20"),
        ("run.time_limits={train: 0}", "run.time_limits: .*train: found 0"),
        ("run.kubernetes={default: {volumes: [{claim: a, path: models}]}}", "run.kubernetes.default.volumes.0.path"),
        ("run.kubernetes={default: {volumes: [{claim: a, pat: /m}]}}", "unknown key 'pat'; .*did you mean 'path'"),
        ("run.kubernetes={default: {secrets: [{name: a}]}}", "give either 'path' .* or 'env'"),
        ("run.kubernetes={default: {tolerations: [{effect: Never}]}}", "run.kubernetes.default.tolerations.0.effect"),
        (
            "run.kubernetes={train: {volumes: [{claim: a, path: /m}, {claim: b, path: /m}]}}",
            "run.kubernetes.train: .*the path /m is given 2 times",
        ),
        ("run.kubernetes={train: {volumes: [{claim: a, path: /m}, {claim: a, path: /n}]}}", "the volume a is given 2"),
        ("run.kubernetes={train: {volumes: [{claim: a, path: /dev/shm}], shared_memory: 1Gi}}", "the path /dev/shm"),
        (
            "run.kubernetes={default: {volumes: [{claim: a, path: /m}]}, train: {secrets: [{name: a, path: /n}]}}",
            "run.kubernetes: .*train, with what it has of 'default': the volume a is given 2 times",
        ),
        (
            "run.kubernetes={train: {secrets: [{name: a.b, path: /m}]}}",
            "found name 'a.b'; KFP calls the volume like it",
        ),
        (
            "run.kubernetes={train: {env: {A: b}, config_maps: [{name: c, env: {key: A}}]}}",
            "the variable A is given 2 times",
        ),
        ("run.kubernetes={train: {env: {MODELMILL_WORKERS: '2'}}}", "MODELMILL_WORKERS: the compiler sets it"),
        ("run.kubernetes={train: {env: {a-b: c}}}", "a-b: it is no name of an environment variable"),
        (
            "run.resources={train: {cpu: 1, requests: {cpu: 2}}}",
            "requests.cpu: found 2; give at most the limit, cpu: 1",
        ),
        (
            "run.resources={train: {memory: 1G, requests: {memory: 1Gi}}}",
            "requests.memory: found 1Gi; give at most the",
        ),
        ("run.resources={train: {ephemeral_storage: 1G}}", "the pipeline spec has no such resource; give an ephemeral"),
        ("run.retries={train: {count: 99}}", "run.retries.train"),
        ("run.kubernetes={train: {node_affinity: [{match: [{key: a}]}]}}", "operator In takes values; give some"),
        (
            "run.kubernetes={train: {security_context: {run_as_user: 0, run_as_non_root: true}}}",
            "run_as_user: found 0, which is root",
        ),
        ("run.kubernetes={train: {service_account: x}}", "give it to the run .submit --service-account."),
        ("run.kubernetes={train: {empty_dirs: [{path: /m}, {path: /m}]}}", "the path /m is given 2 times"),
        ("run.kubernetes={train: {pod_affinity: [x]}}", "pod_affinity: found .*KFP's driver reads none"),
        ("run.kubernetes={train: {privileged: true}}", "privileged: found True; KFP drops all capabilities"),
        ("run.cluster={rot: gs://b/x}", "run.cluster.rot: unknown key 'rot'; .*did you mean 'root'"),
    ],
)
def test_what_is_wrong_is_named(setting: str, told: str) -> None:
    with pytest.raises(ExperimentError, match=told):
        load("digits-cnn", [setting])
