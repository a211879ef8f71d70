"""Compiled packages: what kfp and its server take, what the experiment asks for, what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from modelmill.pipeline.experiment.cluster_config import Accelerator, Resources
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.layout import NODES
from modelmill.pipeline.runners.kubeflow.compile import images, parameters, validate_spec
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import Platform, look_up

KUBEFLOW, VERTEX = look_up("kubeflow"), look_up("vertex")
IMAGE = "registry.example:5000/team/modelmill:0.1.0"
SETTINGS = [
    "run.resources={default: {cpu: 1, memory: 2G}, train: {cpu: 4, memory: 16Gi, "
    "requests: {cpu: 0.5, memory: 8Gi}, accelerator: {type: nvidia-t4}}}",
    "run.retries={default: 1, train: {count: 3, wait: 10, factor: 3, max_wait: 90}, push: 0}",
    "run.time_limits={train: 3600}",
    "run.cache={statistics: false}",
    "run.kubernetes={default: {volumes: [{claim: models, path: /mnt/models}], image_pull_secrets: [registry]}, "
    "train: {node_selector: {pool: gpu}, shared_memory: 2Gi, "
    "tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule, seconds: 60}], "
    "secrets: [{name: keys, env: {token: TOKEN}}, {name: files, path: /mnt/secret}], "
    "config_maps: [{name: store, env: {region: REGION}}, {name: conf, path: /mnt/conf, optional: true}]}, "
    "push: {labels: {team: vision}, annotations: {sidecar.istio.io/inject: 'false'}, image_pull_policy: Always, "
    "node_affinity: [{match: [{key: zone, values: [a, b]}], weight: 5}, {match: [{key: gpu, operator: Exists}]}], "
    "security_context: {run_as_user: 1000, run_as_group: 0, run_as_non_root: true}, active_deadline: 600, "
    "empty_dirs: [{path: /scratch, size: 1Gi}], ephemeral_volumes: [{path: /big, size: 50Gi, storage_class: fast}], "
    "field_env: {NODE: spec.nodeName}}, "
    "ingest: {env: {AWS_REGION: eu-central-1, AWS_ENDPOINT_URL: 'http://minio:9000'}}, "
    "compress: {env: {TF_CPP_MIN_LOG_LEVEL: '1'}}}",
    "run.cluster={destination: /mnt/models/digits, checkpoints: /mnt/models/checkpoints}",
    "run.seed=7",
    "compress.workers=3",
    "augment.mode=materialized",  # every node there is
]


# Fields of kfp-kubernetes' KubernetesExecutorConfig that the driver or the compiler of KFP 2.17 reads.
READ_BY_THE_DRIVER = {
    *("secretAsVolume", "secretAsEnv", "pvcMount", "nodeSelector", "podMetadata", "imagePullSecret"),
    *("imagePullPolicy", "configMapAsVolume", "configMapAsEnv", "activeDeadlineSeconds", "fieldPathAsEnv"),
    *("tolerations", "genericEphemeralVolume", "nodeAffinity", "emptyDirMounts", "securityContext"),
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """digits-cnn for both targets, with everything that can be asked for, and the files."""
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    folder = tmp_path_factory.mktemp("compiled")
    experiment = load("digits-cnn", SETTINGS)
    kubeflow = compile_experiment(experiment, KUBEFLOW, IMAGE)
    vertex = compile_experiment(experiment, VERTEX, IMAGE, "gs://bucket/root/")
    kubeflow.write(folder / "pipeline.yaml")
    vertex.write(folder / "pipeline.json")
    return SimpleNamespace(
        kubeflow=kubeflow, vertex=vertex, yaml=folder / "pipeline.yaml", json=folder / "pipeline.json"
    )


def task(package: Any, node: str) -> Any:
    return package.spec["root"]["dag"]["tasks"][node]


def container(package: Any, node: str) -> Any:
    return package.spec["deploymentSpec"]["executors"][f"exec-{node}"]["container"]


def test_workers_are_told_by_what_is_no_part_of_a_cache_key(compiled: SimpleNamespace) -> None:
    level = {"name": "TF_CPP_MIN_LOG_LEVEL", "value": "1"}
    for package, more in ((compiled.kubeflow, [level]), (compiled.vertex, [])):
        found = container(package, "compress")
        assert found["env"] == [*more, {"name": "MODELMILL_WORKERS", "value": "3"}]
        config = task(package, "compress")["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
        assert json.loads(config)["workers"] == 1


def test_kfp_itself_reads_it(compiled: SimpleNamespace) -> None:
    from google.protobuf import json_format
    from kfp import components
    from kfp.client import client
    from kfp.pipeline_spec import pipeline_spec_pb2

    first, second = yaml.safe_load_all(compiled.yaml.read_text())
    spec = json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(second, pipeline_spec_pb2.PlatformSpec())
    assert spec.schema_version == "2.1.0"
    assert set(spec.root.dag.tasks) == set(NODES)
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), deployment)
    assert deployment.executors["exec-train"].container.resources.accelerator.type == "nvidia.com/gpu"

    loaded = components.load_component_from_file(str(compiled.yaml))
    plain = {"data_path", "push_destination", "seed", "train_epochs", "version_label"}
    assert plain | {"train_optimizer_learning_rate", "compress_max_drop"} <= set(loaded.component_spec.inputs)
    document = client._extract_pipeline_yaml(str(compiled.yaml))
    assert set(document.to_dict()) == {"pipeline_spec", "platform_spec"}


def test_vertex_gets_a_pipeline_job(compiled: SimpleNamespace) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    job = json_format.ParseDict(json.loads(compiled.json.read_text()), pipeline_spec_pb2.PipelineJob())
    assert job.runtime_config.gcs_output_directory == "gs://bucket/root"
    assert job.pipeline_spec["defaultPipelineRoot"] == "gs://bucket/root"
    check = container(compiled.vertex, "ingest")["lifecycle"]["preCacheCheck"]
    assert check["command"] == container(compiled.vertex, "ingest")["command"]
    assert check["command"][:3] == ["python", "-P", "-m"], "else the container's working directory shadows packages"
    assert check["args"][0] == "--driver_only"
    assert "lifecycle" not in container(compiled.kubeflow, "ingest")


def test_vertex_own_client_reads_it(compiled: SimpleNamespace) -> None:
    from google.cloud.aiplatform.utils import pipeline_utils

    builder = pipeline_utils.PipelineRuntimeConfigBuilder.from_job_spec_json(json.loads(compiled.json.read_text()))
    builder.update_runtime_parameters({"seed": 3, "version_label": "spring"})
    built = builder.build()
    assert built["gcsOutputDirectory"] == "gs://bucket/root"
    assert built["parameterValues"]["seed"] == 3
    with pytest.raises(ValueError, match="epochs"):
        builder.update_runtime_parameters({"epochs": 3})
        builder.build()


def test_parameters_have_the_experiments_values_as_defaults(compiled: SimpleNamespace) -> None:
    declared = compiled.kubeflow.spec["root"]["inputDefinitions"]["parameters"]
    defaults = {name: one["defaultValue"] for name, one in declared.items()}
    assert defaults["data_path"] == "/tmp/modelmill/samples/digits"
    assert (defaults["push_destination"], defaults["version_label"]) == ("/mnt/models/digits", "")
    numbers = {
        **{"seed": 7, "train_epochs": 60, "train_batch": 32, "train_optimizer_learning_rate": 0.002},
        **{"train_early_stopping_patience": 25, "evaluate_threshold": 0.95, "compress_max_drop": 0.015},
    }
    assert {name: defaults[name] for name in numbers} == numbers
    assert declared["train_batch"]["parameterType"] == "NUMBER_INTEGER"
    assert declared["train_optimizer_learning_rate"]["parameterType"] == "NUMBER_DOUBLE"
    assert "compress_workers" not in declared, "a compile's: it is in the environment"
    assert task(compiled.kubeflow, "train")["inputs"]["parameters"]["modelmill_seed"] == {
        "componentInputParameter": "seed"
    }
    inputs = container(compiled.kubeflow, "train")["args"]
    spec = json.loads(inputs[inputs.index("--json_serialized_inputs_spec_args") + 1])
    assert spec["parameters"]["modelmill_seed"] == {"parameterType": "NUMBER_INTEGER"}


def test_default_parameters_make_the_properties_that_the_experiment_has(compiled: SimpleNamespace) -> None:
    declared = compiled.kubeflow.spec["root"]["inputDefinitions"]["parameters"]
    for node in ("train", "compress", "evaluate", "evaluate-compressed"):
        constants, filled = {}, {}
        for key, source in task(compiled.kubeflow, node)["inputs"]["parameters"].items():
            if "runtimeValue" in source:
                constants[key] = source["runtimeValue"]["constant"]
            elif key.startswith(parameters.EXTRA):
                filled[key] = float(declared[source["componentInputParameter"]]["defaultValue"])  # as protobuf has it
        assert filled
        merged = {**constants, **filled}
        parameters.merge(merged)
        assert {key: _parsed(value) for key, value in merged.items()} == {
            key: {**_parsed(value), "seed": 7} if key == "custom_config" else _parsed(value)
            for key, value in constants.items()
        }


def _parsed(value: Any) -> Any:
    """What JSON says, if it is that."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def test_the_evaluator_of_a_run_demands_what_its_parameters_say(compiled: SimpleNamespace) -> None:
    from modelmill.components.evaluate import component

    given = task(compiled.kubeflow, "evaluate")["inputs"]["parameters"]
    config, first = (given[key]["runtimeValue"]["constant"] for key in ("evaluate", "eval_config"))
    assert json.loads(component.eval_config_json(config, "classification")) == json.loads(first)
    properties = {"evaluate": config, "task": "classification", "modelmill_evaluate__threshold": 0.5}
    parameters.merge(properties)
    assert "0.95" not in str(
        json.loads(component.eval_config_json(properties["evaluate"], "classification"))["metrics_specs"][0]["metrics"][
            1
        ]["per_slice_thresholds"]
    )
    copies = {name for name in task(compiled.kubeflow, "evaluate-compressed")["inputs"]["parameters"]}
    assert {"modelmill_config__confidence", "modelmill_config__min_slice", "modelmill_bounds__margin"} <= copies


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"evaluate_threshold": 2.0}, "evaluate.threshold: found 2; accuracy is 0 to 1"),
        ({"train_epochs": 0}, "--param train_epochs=0: train.epochs: found 0; .*greater than or equal to 1"),
        ({"train_optimizer_learning_rate": -1.0}, "train.optimizer.learning_rate: found -1.0"),
        ({"evaluate_confidence": 2.0}, "evaluate.confidence: found 2.0"),
        ({"compress_max_drop": -0.1}, "compress.max_drop: found -0.1"),
    ],
)
def test_parameters_are_checked_by_the_models_of_their_sections(
    given: dict[str, Any], told: str, compiled: SimpleNamespace
) -> None:
    for package in (compiled.kubeflow, compiled.vertex):
        with pytest.raises(DeployError, match=told):
            parameters.check(package.spec, given)
    parameters.check(compiled.kubeflow.spec, {"train_epochs": 5, "compress_max_drop": 0.5})


def test_every_node_is_told_the_outputs_that_it_declares(compiled: SimpleNamespace) -> None:
    for package in (compiled.kubeflow, compiled.vertex):
        for node in NODES:
            args = container(package, node)["args"]
            told = args[args.index("--declared_outputs") + 1].split(",")
            assert told == sorted(package.spec["components"][node]["outputDefinitions"]["artifacts"])
    check = container(compiled.vertex, "ingest")["lifecycle"]["preCacheCheck"]["args"]
    assert check[check.index("--declared_outputs") + 1] == "examples"


def test_every_node_gets_what_was_asked_for(compiled: SimpleNamespace) -> None:
    for node in NODES:
        resources = container(compiled.kubeflow, node)["resources"]
        wanted = (4, "16Gi", 16 * 1024**3 / 1e9) if node == "train" else (1, "2G", 2)
        found = (resources["cpuLimit"], resources["resourceMemoryLimit"], resources["memoryLimit"])
        assert found == pytest.approx(wanted) if found[1] == wanted[1] else False, node
        assert container(compiled.kubeflow, node)["image"] == IMAGE
        count = {"train": 3, "push": 0}.get(node, 1)
        assert task(compiled.kubeflow, node).get("retryPolicy", {}).get("maxRetryCount", 0) == count
    requests = container(compiled.kubeflow, "train")["resources"]
    assert (requests["resourceCpuRequest"], requests["resourceMemoryRequest"]) == ("0.5", "8Gi")
    assert requests["memoryRequest"] == pytest.approx(8 * 1024**3 / 1e9)
    backoff = {"backoffDuration": "10s", "backoffFactor": 3.0, "backoffMaxDuration": "90s"}
    assert task(compiled.kubeflow, "train")["retryPolicy"] == {"maxRetryCount": 3, **backoff}
    cached = {node for node in NODES if task(compiled.kubeflow, node)["cachingOptions"]}
    assert set(NODES) - cached == {"ingest", "last-statistics", "baseline", "push", "statistics"}
    assert container(compiled.kubeflow, "train")["args"][-2:] == ["--time_limit", "3600"]
    assert "--time_limit" not in container(compiled.kubeflow, "push")["args"]


def test_the_kubernetes_document(compiled: SimpleNamespace) -> None:
    executors = compiled.kubeflow.document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {f"exec-{node}" for node in NODES}
    train = executors["exec-train"]
    assert train["nodeSelector"]["labels"] == {
        "cloud.google.com/gke-accelerator": "nvidia-tesla-t4",
        "pool": "gpu",
    }
    assert train["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": "60"}
    ]
    assert train["secretAsEnv"][0]["keyToEnv"] == [{"secretKey": "token", "envVar": "TOKEN"}]
    assert train["secretAsVolume"][0]["mountPath"] == "/mnt/secret"
    shared = {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}
    assert train["emptyDirMounts"] == [shared], "no driver reads enabledSharedMemory"
    assert train["configMapAsEnv"][0]["keyToEnv"] == [{"configMapKey": "region", "envVar": "REGION"}]
    assert (train["configMapAsVolume"][0]["mountPath"], train["configMapAsVolume"][0]["optional"]) == (
        "/mnt/conf",
        True,
    )
    assert executors["exec-push"]["pvcMount"][0]["mountPath"] == "/mnt/models"
    assert executors["exec-push"]["imagePullSecret"][0]["secretName"] == "registry"
    assert "nodeSelector" not in executors["exec-push"]
    assert compiled.vertex.document is None
    assert "Vertex" in compiled.vertex.notes[0]


def test_pods_get_every_field_that_the_driver_reads(compiled: SimpleNamespace) -> None:
    push = compiled.kubeflow.document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-push"]
    assert push["podMetadata"] == {"labels": {"team": "vision"}, "annotations": {"sidecar.istio.io/inject": "false"}}
    assert push["imagePullPolicy"] == "Always"
    assert push["nodeAffinity"] == [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}], "weight": 5},
        {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
    ]
    assert push["securityContext"] == {"runAsUser": "1000", "runAsGroup": "0", "runAsNonRoot": True}
    assert push["activeDeadlineSeconds"] == "600"
    assert push["emptyDirMounts"] == [{"volumeName": "empty-0", "mountPath": "/scratch", "sizeLimit": "1Gi"}]
    volume = {"volumeName": "ephemeral-0", "mountPath": "/big", "accessModes": ["ReadWriteOnce"], "size": "50Gi"}
    assert push["genericEphemeralVolume"] == [{**volume, "storageClassName": "fast"}]
    assert push["fieldPathAsEnv"] == [{"name": "NODE", "fieldPath": "spec.nodeName"}]
    assert push["pvcMount"][0]["mountPath"] == "/mnt/models", "what it does not say is that of the default"


def test_the_document_has_no_field_that_kfp_does_not_know(compiled: SimpleNamespace) -> None:
    """KUBERNETES_EXECUTOR_CONFIG is that of KFP 2.17; servers refuse a document with a field they don't know."""
    for executor in compiled.kubeflow.document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert set(executor) <= READ_BY_THE_DRIVER


def test_plain_environment_variables_are_those_of_the_container(compiled: SimpleNamespace) -> None:
    assert container(compiled.kubeflow, "ingest")["env"] == [
        {"name": "AWS_REGION", "value": "eu-central-1"},
        {"name": "AWS_ENDPOINT_URL", "value": "http://minio:9000"},
    ]
    assert "env" not in container(compiled.kubeflow, "train")
    assert "env" not in container(compiled.vertex, "ingest")


def test_accelerators_have_the_targets_names(compiled: SimpleNamespace) -> None:
    assert container(compiled.vertex, "train")["resources"]["accelerator"]["type"] == "NVIDIA_TESLA_T4"
    assert container(compiled.kubeflow, "train")["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("name", "resource", "selector", "vertex"),
    [
        ("nvidia-l4", "nvidia.com/gpu", {"cloud.google.com/gke-accelerator": "nvidia-l4"}, "NVIDIA_L4"),
        ("tpu-v3", "cloud-tpus.google.com/v3", {}, "TPU_V3"),
        (
            "tpu-v5e",
            "google.com/tpu",
            {"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"},
            "TPU_V5_LITEPOD",
        ),
    ],
)
def test_gpus_and_tpus_by_one_name(name: str, resource: str, selector: dict[str, str], vertex: str) -> None:
    wanted = Resources(accelerator=Accelerator(type=name, count=4))
    found = KUBEFLOW.limits("train", wanted)
    count = {"count": "4", "resourceCount": "4"}
    assert found.spec["accelerator"] == {"type": resource, "resourceType": resource, **count}
    assert found.node_selector == selector
    found = VERTEX.limits("train", wanted)
    assert found.spec["accelerator"] == {"type": vertex, "resourceType": vertex, **count}
    assert found.node_selector == {}


def test_nothing_of_this_machine_is_in_it(compiled: SimpleNamespace) -> None:
    here = str(Path(__file__).resolve().parents[2])
    assert here not in compiled.yaml.read_text()
    assert here not in compiled.json.read_text()


def test_a_remote_beam_runner_is_for_the_nodes_that_can_use_it() -> None:
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    options, data = "--runner=DataflowRunner", "run.cluster.data=gs://bucket/digits"
    experiment = load("digits-cnn", [f"run.beam=['{options}', '--project=p']", "augment.mode=materialized", data])
    package = compile_experiment(experiment, VERTEX, IMAGE, "gs://bucket/root")
    assert {node for node in NODES if options in container(package, node)["args"]} == {
        "ingest",
        "statistics",
        "transform",
        "augment",
        "evaluate",
    }
    assert "--runner=FnApiRunner" in container(package, "evaluate-compressed")["args"]


def test_data_that_the_launcher_fetches() -> None:
    from kfp import components

    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    experiment = load("digits-cnn", ["run.cluster={data: s3://bucket/images/}"])
    package = compile_experiment(experiment, KUBEFLOW, IMAGE)
    assert components.load_component_from_text(package.text())
    assert task(package, "data")["inputs"]["parameters"]["uri"] == {"componentInputParameter": "data_path"}
    assert task(package, "ingest")["dependentTasks"] == ["data"]
    assert package.spec["root"]["inputDefinitions"]["parameters"]["data_path"]["defaultValue"] == "s3://bucket/images"


FLINK = ["--runner=FlinkRunner", "--flink_master=flink:8081"]
OUTSIDE = "run.beam: found --runner=FlinkRunner, whose workers are outside of the pods and have to see "


@pytest.mark.parametrize(
    ("root", "data", "told"),
    [
        (None, None, f"{OUTSIDE}the root: found minio://.*give --root gs://.*and the data: found the sample digits"),
        ("gs://b/x", None, f"{OUTSIDE}the data: found the sample digits, which is written into the pod of ingest"),
        ("gs://b/x", "/mnt/images", f"{OUTSIDE}the data: found /mnt/images; give run.cluster.data: gs://"),
        ("s3://b/x", "gs://b/images", f"{OUTSIDE}the root: found s3://b/x, which each pod has as a copy"),
    ],
)
def test_beam_outside_of_the_pods_needs_places_that_it_sees(root: str | None, data: str | None, told: str) -> None:
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    settings = [f"run.beam={json.dumps(FLINK)}", *([f"run.cluster.data={data}"] if data else [])]
    with pytest.raises(DeployError, match=told):
        compile_experiment(load("digits-cnn", settings), KUBEFLOW, IMAGE, root)


def test_beam_whose_workers_are_in_the_pod_takes_any_place() -> None:
    from modelmill.pipeline.runners.kubeflow.compile.locations import locate

    options = ["--runner=PortableRunner", "--job_endpoint=flink:8099", "--environment_type=LOOPBACK"]
    experiment = load("digits-cnn", [f"run.beam={json.dumps(options)}"])
    assert locate(experiment, KUBEFLOW, "minio://b/x").data.endswith("/digits")


@pytest.mark.parametrize("place", ["gs://bucket/iris", "s3://bucket/iris", "minio://bucket/iris"])
def test_data_in_a_store_is_the_clusters_too(place: str) -> None:
    from modelmill.pipeline.runners.kubeflow.compile.locations import locate

    experiment = load("digits-cnn", ["data.sample=null", f"data.path={place}"])
    assert locate(experiment, KUBEFLOW, "minio://b/x").data == place
    with pytest.raises(DeployError, match="data: found 'hdfs://x/y'; kubeflow needs gs://BUCKET/FOLDER, minio://"):
        locate(load("digits-cnn", ["data.sample=null", "data.path=hdfs://x/y"]), KUBEFLOW, "minio://b/x")
    experiment = load("digits-cnn", ["data.sample=null", f"data.path={place}", "data.schema_file=gs://b/s.pbtxt"])
    assert locate(experiment, KUBEFLOW, "minio://b/x").experiment.data.schema_file == "gs://b/s.pbtxt"


def breaks(change: Any, compiled: SimpleNamespace) -> list[str]:
    """The names of the rules that a changed spec breaks."""
    spec, platform = copy.deepcopy(compiled.kubeflow.spec), copy.deepcopy(compiled.kubeflow.document)
    change(spec, platform)
    return sorted({line.partition(":")[0] for line in validate_spec.broken(spec, platform, KUBEFLOW)})


def _rename(spec: Any, platform: Any) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    tasks["the_push"] = tasks.pop("push")


def _dynamic(spec: Any, platform: Any) -> None:
    given = spec["root"]["dag"]["tasks"]["push"]["inputs"]["parameters"]
    given["code"] = {"taskOutputParameter": {"producerTask": "check_task", "outputParameterKey": "x"}}


RULES = {
    "schema_version": lambda spec, platform: spec.update(schemaVersion="2.0.0"),
    "pipeline_name": lambda spec, platform: spec["pipelineInfo"].update(name="Digits"),
    "task_names": _rename,
    "components_exist": lambda spec, platform: spec["components"]["push"].update(executorLabel="nothing"),
    "no_resolvers": lambda spec, platform: spec["deploymentSpec"]["executors"].update({"exec-x": {"resolver": {}}}),
    "containers": lambda spec, platform: spec["deploymentSpec"]["executors"]["exec-push"]["container"].pop("command"),
    "producers_exist": _dynamic,
    "dependencies": lambda spec, platform: spec["root"]["dag"]["tasks"]["ingest"].update(dependentTasks=["push"]),
    "inputs_declared": lambda spec, platform: spec["root"]["dag"]["tasks"]["push"]["inputs"]["artifacts"].pop("bundle"),
    "root_parameters": lambda spec, platform: spec["root"]["inputDefinitions"]["parameters"]["seed"].pop(
        "defaultValue"
    ),
    "pipeline_root": lambda spec, platform: spec.update(defaultPipelineRoot="/mnt/artifacts"),
    "arguments": lambda spec, platform: spec["deploymentSpec"]["executors"]["exec-push"]["container"]["args"].append(
        "x" * validate_spec.LONGEST + "x"
    ),
    "document": lambda spec, platform: platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].update(
        {"push": {}}
    ),
}


def test_every_rule_has_a_case() -> None:
    assert set(RULES) == {rule.__name__.removeprefix("_") for rule in validate_spec.RULES}


@pytest.mark.parametrize("name", list(RULES))
def test_rule(name: str, compiled: SimpleNamespace) -> None:
    assert breaks(lambda spec, platform: None, compiled) == []
    assert name in breaks(RULES[name], compiled)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "--image: missing"),
        ("", "--image: missing"),
        ("modelmill", "neither tag nor digest"),
        ("registry.example:5000/modelmill", "neither tag nor digest"),
        ("modelmill:latest", "the tag 'latest'"),
        ("Modelmill:1", "give REGISTRY/NAME:TAG"),
        ("modelmill:1; rm", "give REGISTRY/NAME:TAG"),
    ],
)
def test_images_that_are_refused(given: str | None, told: str) -> None:
    with pytest.raises(DeployError, match=told):
        images.image(given, allow_latest=False)


def test_images_that_are_taken() -> None:
    for given in (IMAGE, "modelmill@sha256:" + "0" * 64, "r.example/m:latest@sha256:" + "a" * 64):
        assert images.image(given, allow_latest=False) == given
    assert images.image("modelmill:latest", allow_latest=True)


@pytest.mark.parametrize(
    ("target", "given", "told"),
    [
        (VERTEX, None, "--root: missing; vertex has no default root"),
        (VERTEX, "minio://mlpipeline/x", "vertex takes gs://"),
        (KUBEFLOW, "/mnt/artifacts", "the KFP driver takes object stores only"),
        (KUBEFLOW, "hdfs://host/x", "kubeflow takes gs://, minio://, s3://"),
        (KUBEFLOW, "gs:///", "with a bucket"),
    ],
)
def test_roots_that_a_target_can_not_reach(target: Platform, given: str | None, told: str) -> None:
    with pytest.raises(DeployError, match=told):
        target.root(given)


@pytest.mark.parametrize(
    ("target", "settings", "told"),
    [
        (KUBEFLOW, ["run.resources={train: {accelerator: {type: nvidia-t5}}}"], "did you mean 'nvidia-t4'"),
        (VERTEX, ["run.resources={train: {accelerator: {type: nvidia.com/gpu}}}"], "unknown accelerator"),
        (
            KUBEFLOW,
            ["run.cluster={destination: s3://b/x}"],
            "run.cluster.destination: found 's3://b/x'; give gs",
        ),
        (VERTEX, ["run.cluster={destination: models}"], "run.cluster.destination: found 'models'"),
        (KUBEFLOW, ["run.cluster={checkpoints: gs://b/x}"], "run.cluster.checkpoints: found 'gs://b/x'"),
        (VERTEX, ["run.cluster={data: s3://b/x}"], "vertex needs gs://BUCKET/FOLDER or"),
        (KUBEFLOW, ["run.cluster={data: digits}"], "an absolute path in the container"),
        (KUBEFLOW, ["data.sample=null", "data.path=."], "run.cluster.data: missing"),
        (KUBEFLOW, ["data.schema_file=digits-cnn.yaml"], "run.cluster.schema_file: missing"),
    ],
)
def test_places_and_resources_that_a_target_does_not_know(target: Platform, settings: list[str], told: str) -> None:
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    with pytest.raises(DeployError, match=told):
        compile_experiment(load("digits-cnn", settings), target, IMAGE, "gs://bucket/root")
