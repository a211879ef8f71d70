"""What is changed in the pipeline spec that TFX 1.21 emits, so that KFP v2 runs it; docs/kubeflow.md says why.

Each function mends one thing in the spec, a dictionary in protobuf's JSON form, in place.
"""

from __future__ import annotations

import json
from typing import Any

from modelmill.components import beam_runners
from modelmill.components.compress.trials import worker_count
from modelmill.components.upstream import tfx_internals
from modelmill.pipeline.experiment.cluster_config import Retry, of_node
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.runners.kubeflow.compile.parameters import FETCHED
from modelmill.pipeline.runners.kubeflow.compile.spec_file import container
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

# The task that imports data which the launcher has to fetch.
DATA = "data"
# Nodes whose Beam work may go to a remote runner: they read and write by Beam and TensorFlow alone.
REMOTE = ("ingest", "statistics", "transform", "augment", "evaluate")


def mend(spec: dict[str, Any], experiment: Experiment, platform: Platform, root: str) -> None:
    """All of them."""
    spec["defaultPipelineRoot"] = root
    tfx_internals.mend_producers(spec)
    tfx_internals.mend_executor_names(spec)
    driver(spec, platform)
    beam(spec, experiment)
    resources(spec, experiment, platform)
    retries(spec, experiment)
    caching(spec, experiment, platform)
    fetched_data(spec, platform)
    arguments(spec, experiment)
    environment(spec, experiment, platform)


def tasks(spec: dict[str, Any]) -> dict[str, Any]:
    """The tasks by name."""
    found: dict[str, Any] = spec["root"]["dag"]["tasks"]
    return found


def driver(spec: dict[str, Any], platform: Platform) -> None:
    """ExampleGen's driver: open-source KFP never calls it, so the entrypoint does; Vertex does, by our entrypoint."""
    for node in tasks(spec):
        found = container(spec, node)
        if "lifecycle" not in found:
            continue
        if not platform.CALLS_DRIVERS:
            del found["lifecycle"]
        else:
            check = found["lifecycle"]["preCacheCheck"]
            check["command"] = list(found["command"])
            check["args"] = ["--driver_only", *check["args"]]


def beam(spec: dict[str, Any], experiment: Experiment) -> None:
    """A remote Beam runner is for the nodes that can use it; the others work in their container."""
    given = list(experiment.run.beam)
    if not beam_runners.is_remote(given):
        return
    for node in tasks(spec):
        if node not in REMOTE:
            args = container(spec, node)["args"]
            container(spec, node)["args"] = [*(arg for arg in args if arg not in given), *beam_runners.LOCAL_BEAM]


def resources(spec: dict[str, Any], experiment: Experiment, platform: Platform) -> None:
    """On every node; TFX itself forgets them on a file-based ExampleGen."""
    for node in tasks(spec):
        wanted = of_node(experiment.run.resources, node)
        if wanted is not None:
            found = platform.limits(node, wanted).spec
            if found:
                container(spec, node)["resources"] = found


def retries(spec: dict[str, Any], experiment: Experiment) -> None:
    """Set how often a node is tried again, and when; by default a minute later, then twice as long each time."""
    for node, task in tasks(spec).items():
        given = of_node(experiment.run.retries, node)
        retry = Retry(count=given) if isinstance(given, int) else given
        if retry and retry.count:
            task["retryPolicy"] = {
                "maxRetryCount": retry.count,
                "backoffDuration": f"{retry.wait}s",
                "backoffFactor": retry.factor,
                "backoffMaxDuration": f"{retry.max_wait}s",
            }


def caching(spec: dict[str, Any], experiment: Experiment, platform: Platform) -> None:
    """Per node; an empty message says no."""
    for node, task in tasks(spec).items():
        wanted = experiment.run.cache.get(node, experiment.run.cache.get("default", True))
        task["cachingOptions"] = {"enableCache": True} if wanted and node not in platform.NEVER_CACHED else {}


def fetched_data(spec: dict[str, Any], platform: Platform) -> None:
    """Data on minio:// or s3:// becomes an imported artifact, which the launcher fetches before `ingest`.

    The entrypoint then reads the local copy instead of `input_base`.
    """
    if not platform.is_fetched(spec["root"]["inputDefinitions"]["parameters"]["data_path"]["defaultValue"]):
        return
    kind = {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}
    spec["deploymentSpec"]["executors"][f"exec-{DATA}"] = {
        "importer": {"artifactUri": {"runtimeParameter": "uri"}, "typeSchema": kind}
    }
    spec["components"][DATA] = {
        "executorLabel": f"exec-{DATA}",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": kind}}},
    }
    tasks(spec)[DATA] = {
        "taskInfo": {"name": DATA},
        "componentRef": {"name": DATA},
        "inputs": {"parameters": {"uri": {"componentInputParameter": "data_path"}}},
        "cachingOptions": {},
    }
    ingest = tasks(spec)["ingest"]
    ingest["inputs"]["artifacts"] = {
        FETCHED: {"taskOutputArtifact": {"producerTask": DATA, "outputArtifactKey": "artifact"}}
    }
    ingest["dependentTasks"] = [DATA]
    spec["components"]["ingest"]["inputDefinitions"]["artifacts"] = {FETCHED: {"artifactType": kind}}


def arguments(spec: dict[str, Any], experiment: Experiment) -> None:
    """Write the declared inputs into the arguments again, now with parameters; add declared outputs and time limit."""
    for node in tasks(spec):
        if node == DATA:
            continue
        found = container(spec, node)
        text = json.dumps(spec["components"][node].get("inputDefinitions", {}), sort_keys=True)
        outputs = ",".join(sorted(spec["components"][node].get("outputDefinitions", {}).get("artifacts", {})))
        commands = [found, *([found["lifecycle"]["preCacheCheck"]] if "lifecycle" in found else [])]
        for args in (command["args"] for command in commands):
            if "--json_serialized_inputs_spec_args" in args:
                args[args.index("--json_serialized_inputs_spec_args") + 1] = text
            args += ["--declared_outputs", outputs]
        limit = of_node(experiment.run.time_limits, node)
        if limit is not None:
            found["args"] += ["--time_limit", str(limit)]


def environment(spec: dict[str, Any], experiment: Experiment, platform: Platform) -> None:
    """Set the containers' environment variables, which are not part of a cache key.

    One of them is the number of the Compressor's processes.
    """
    for node in tasks(spec):
        if node == DATA:
            continue
        variables = platform.environment(experiment, node)
        if node == "compress":
            variables = {**variables, worker_count.ENV: str(experiment.compress.workers)}
        if variables:
            container(spec, node)["env"] = [{"name": name, "value": value} for name, value in variables.items()]
