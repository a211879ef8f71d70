"""A run on disk that never ran: metadata, artifacts and summary as nodes leave them; its names want to be markup."""

from __future__ import annotations

import hashlib
import io
import json
import wave
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from tests.data import recorded

HOSTILE = "<script>document.title='taken'</script>"
QUOTED = '"><img src=x onerror="document.title=1">'
LABELS = ["cat", HOSTILE, QUOTED]
PICTURES = 12  # of each class and split
RUN = "20260101-120000"
RATE, SECONDS = 8000, 0.2  # of sounds
SHAPES = {
    "image": {"height": 12, "width": 12, "channels": 1},
    "audio": {"sample_rate": RATE, "seconds": SECONDS},
}


def tell(
    root: Path,
    run_id: str = RUN,
    *,
    status: str = "pushed",
    skill: float = 0.9,
    seed: int = 0,
    modality: Literal["image", "audio"] = "image",
) -> Path:
    """Writes the folder of a run of the experiment `photos`; of its answers a share of `skill` is right.

    Its examples are pictures, which it augments, or sounds, which it does not.
    """
    experiment = root / "photos"
    folder = experiment / run_id
    artifacts = experiment / "artifacts" / run_id
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    tested = _examples(artifacts, modality)
    right = _predictions(artifacts, tested, skill, random)
    _statistics(artifacts)
    _model(artifacts, modality)
    trials = _trials(artifacts)
    figures = {
        "float": {"accuracy": right},
        "compressed": {"accuracy": right},
        "difference": {"accuracy": 0.0, "lower": -0.01, "upper": 0.01},
        "examples": len(tested),
    }
    slices = {f"label={label}": {**figures, "examples": PICTURES} for label in LABELS}
    _json(artifacts / "evaluate-compressed" / "evaluation" / "metrics.json", {**figures, "slices": slices})
    (folder / "summary.json").write_text(json.dumps(_summary(run_id, status, right, trials)))
    settings = {
        "name": "photos",
        "data": {"modality": modality, "path": f"/pictures/{HOSTILE}", **SHAPES[modality]},
        "augment": {"rotation": 20.0} if modality == "image" else {},
        "model": {"family": "cnn"},
        "train": {"epochs": 8, "batch": 16, "early_stopping": {"patience": 3}},
        "evaluate": {"metric": "accuracy", "confidence": 0.95},
        "compress": {"max_drop": 0.01, "max_bytes": 9000},
        "card": {"intended_use": f"Telling pets apart {HOSTILE}", "limits": "Two [links](javascript:alert(1)) | bars"},
        "run": {"seed": seed},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))
    (folder / "run.json").write_text(
        json.dumps({"command": f"modelmill run '{HOSTILE}.yaml'", "versions": {"tfx": "1"}})
    )
    _metadata(experiment, run_id, artifacts)
    return folder


def _json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    import tensorflow as tf

    from modelmill.components.testing.pytest_plugin import example_proto

    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), options="GZIP") as writer:
        for row in rows:
            writer.write(example_proto(row).SerializeToString())


def _picture(random: np.random.Generator) -> bytes:
    """A PNG of noise."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (12, 12), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _sound(random: np.random.Generator) -> bytes:
    """A WAV of noise."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(random.integers(-9000, 9000, int(RATE * SECONDS), dtype=np.int16).tobytes())
    return buffer.getvalue()


def _examples(artifacts: Path, modality: str) -> list[dict[str, Any]]:
    """Raw examples of each split, and transformed ones of train; gives those of test."""
    make = _picture if modality == "image" else _sound
    found: dict[str, list[dict[str, Any]]] = {}
    for place, split in enumerate(("train", "eval", "test")):
        found[split] = []
        for label, name in enumerate(LABELS):
            for number in range(PICTURES):
                content = make(np.random.default_rng([place, label, number]))
                digest = hashlib.sha256(content).hexdigest()
                path = f"{name}/{number}.png"
                found[split].append({modality: content, "label": name, "path": path, "sha256": digest})
        _write(artifacts / "ingest" / "examples" / f"Split-{split}", found[split])
    transformed = [{modality: row[modality], "label": LABELS.index(row["label"])} for row in found["train"]]
    _write(artifacts / "transform" / "transformed_examples" / "Split-train", transformed)
    return found["test"]


def _predictions(artifacts: Path, tested: list[dict[str, Any]], skill: float, random: np.random.Generator) -> float:
    rows, right = [], 0
    for row in tested:
        label = LABELS.index(row["label"])
        answer = label if random.random() < skill else (label + 1) % len(LABELS)
        right += answer == label
        given = np.full(len(LABELS), 0.1, np.float32)
        given[answer] += 0.7
        rows.append({"sha256": row["sha256"], "class": row["label"], "label": label})
        exact = np.full(len(LABELS), 0.02, np.float32)
        exact[label] += 0.94
        rows[-1] |= {"float": exact.tolist(), "compressed": given.tolist()}
    recorded.write(artifacts / "evaluate-compressed" / "predictions", "classification", rows)
    return right / len(tested)


def _statistics(artifacts: Path) -> None:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

    for split in ("train", "eval", "test"):
        counted = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = counted.datasets.add(num_examples=PICTURES * len(LABELS))
        label = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
        label.path.step.append("label")
        label.string_stats.unique = len(LABELS)
        for name in LABELS:
            label.string_stats.rank_histogram.buckets.add(label=name, sample_count=PICTURES)
        height = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
        height.path.step.append("height")
        height.num_stats.mean = height.num_stats.max = 12
        path = artifacts / "statistics" / "statistics" / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(counted.SerializeToString())
        anomalies = anomalies_pb2.Anomalies()
        if split == "eval":
            anomalies.anomaly_info["label"].description = f"unexpected {HOSTILE}"
        path = artifacts / "validator" / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(anomalies.SerializeToString())


def _model(artifacts: Path, modality: str) -> None:
    from modelmill.components.testing.specs import make_spec

    if modality == "audio":
        spec = make_spec("audio", (int(RATE * SECONDS),), "float32", LABELS, {"sample_rate": RATE})
    else:
        spec = make_spec(modality, (12, 12, 1), "uint8", LABELS, mean=(127,), stddev=(60,))
    data = {"sample": None, "path": "/pictures/pets"}
    model = {"family": {"family": "cnn"}, "spec": spec.model_dump(mode="json"), "data": data}
    _json(artifacts / "train" / "model" / "modelmill" / "model.json", model)
    rows = [
        {"loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch, "val_loss": 1.2 / epoch, "val_accuracy": 1 - 0.6 / epoch}
        | {"learning_rate": 0.01 / epoch, "seconds": 2.0 if epoch == 1 else 0.5}
        for epoch in range(1, 7)
    ]
    _json(artifacts / "train" / "model_run" / "history.json", rows)


def _trial(label: str, accuracy: float, gzipped: int, **more: Any) -> dict[str, Any]:
    chain = [{"method": part} for part in label.split(" + ")] if label else []
    return {
        **{"chain": chain, "label": label, "status": "ok", "reason": "", "metrics": {"accuracy": accuracy}},
        **{"bytes": gzipped * 2, "gzip_bytes": gzipped, "latency_ms": gzipped / 1e5, "sparsity": 0.5, "seconds": 3.0},
        **{"within_budget": True, "over": [], "skipped": [], **more},
    }


def _layer(bits: int, rung: str) -> dict[str, Any]:
    known = {"layer": "logits", "operator": "FULLY_CONNECTED", "shape": [3, 64], "sparsity": 0.5, "distinct": 90}
    return {**known, "method": f"{bits} bits", "bits": bits, "rung": rung, "bytes": 24 * bits, "macs": 192}


def _trials(artifacts: Path) -> dict[str, Any]:
    left = [{"layer": "logits", "method": "prune", "reason": HOSTILE}]
    tried = [
        _trial("int8", 0.94, 8000),
        _trial("prune + int8", 0.93, 4000, skipped=left, layers=[_layer(8, "annotated")]),
        _trial("prune", 0.9, 3000, within_budget=False, over=["accuracy falls by 0.05"]),
        {**_trial("pqat", 0, 0), "status": "failed", "reason": f"no kernel {HOSTILE}", "metrics": {}},
    ]
    content = {
        "float": _trial("", 0.95, 20000, layers=[_layer(32, "float")]),
        "trials": tried,
        "chosen": 1,
        "within_budget": True,
    }
    _json(artifacts / "compress" / "report" / "trials.json", content)
    _json(artifacts / "compress" / "model" / "trial.json", tried[1])
    return content


def _summary(run_id: str, status: str, right: float, trials: dict[str, Any]) -> dict[str, Any]:
    float32, chosen = trials["float"], trials["trials"][1]
    gates = [("threshold", "overall", status != "refused"), ("non_inferiority", f"label={HOSTILE}", True)]
    keys = ("bytes", "gzip_bytes", "latency_ms")
    nodes = ("ingest", "statistics", "validator", "transform", "train", "compress", "evaluate-compressed")
    return {
        **{
            "experiment": "photos",
            "run_id": run_id,
            "status": status,
            "seconds": 12.5,
            "baseline": None,
            "failure": None,
        },
        "nodes": [{"id": node, "seconds": 1.5, "cached": False, "state": "done"} for node in nodes],
        "data": {"splits": dict.fromkeys(("train", "eval", "test"), PICTURES * len(LABELS)), "anomalies": 1},
        "float": {"metrics": {"accuracy": right}, **{key: float32[key] for key in keys}},
        "compressed": {"metrics": {"accuracy": right}, "label": chosen["label"], **{key: chosen[key] for key in keys}},
        "trials": trials["trials"],
        "gates": [
            {"gate": gate, "metric": "accuracy", "slice": where, "value": right, "lower": None, "upper": None}
            | {"bound": 0.5, "passed": passed, "reason": "" if passed else f"too low {HOSTILE}"}
            for gate, where, passed in gates
        ]
        + [
            {"gate": "non_inferiority", "metric": "accuracy", "slice": "label=few", "value": right}
            | {"lower": None, "upper": None, "bound": 0.5, "passed": False, "undecided": True}
            | {"reason": "6 examples are too few"}
        ]
        + [
            {"gate": "data", "metric": "skew", "slice": f"test/{HOSTILE}", "value": 0.25, "lower": None, "upper": None}
            | {"bound": 0.2, "passed": True, "warned": True, "reason": "skew of 0.250 from train, 0.2 is allowed"},
            {"gate": "data", "metric": "skew", "slice": "eval/label", "value": 0.0625, "lower": None, "upper": None}
            | {"bound": None, "passed": True, "warned": False, "reason": ""},
        ],
        "pushed": "/pushed/1" if status == "pushed" else None,
    }


def _metadata(experiment: Path, run_id: str, artifacts: Path) -> None:
    """Executions, artifacts and events as TFX publishes them; `transform` takes what `ingest` gives."""
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as proto

    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(experiment / "metadata.sqlite")
    connection.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = metadata_store.MetadataStore(connection)
    contexts = {kind: store.put_context_type(proto.ContextType(name=kind)) for kind in ("pipeline_run", "node")}
    execution_type = store.put_execution_type(proto.ExecutionType(name="Node"))
    run = proto.Context(type_id=contexts["pipeline_run"], name=run_id)
    made: dict[str, Any] = {}
    for node in sorted(path for path in artifacts.iterdir()):
        found = store.get_context_by_type_and_name("node", f"photos.{node.name}")
        place = found or proto.Context(type_id=contexts["node"], name=f"photos.{node.name}")
        execution = proto.Execution(type_id=execution_type, last_known_state=proto.Execution.COMPLETE)
        execution.custom_properties["config"].string_value = json.dumps({"note": HOSTILE})
        pairs = []
        for output in sorted(node.iterdir()):
            kind = store.put_artifact_type(proto.ArtifactType(name=f"{node.name}.{output.name}"))
            artifact = proto.Artifact(type_id=kind, uri=str(output), state=proto.Artifact.LIVE)
            event = proto.Event(type=proto.Event.OUTPUT)
            event.path.steps.add(key=output.name)
            pairs.append((artifact, event))
        if node.name == "transform":
            event = proto.Event(type=proto.Event.INPUT)
            event.path.steps.add(key="examples")
            pairs.append((made["ingest"], event))
        _, ids, _ = store.put_execution(execution, pairs, [run, place], reuse_context_if_already_exist=True)
        made[node.name] = store.get_artifacts_by_id(ids[:1])[0]
