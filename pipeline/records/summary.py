"""summary.json: what a run came to, read off the artifacts that its nodes gave.

What is not there, after a failure or in a part of the chain, is null; nothing here loads a model.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from modelmill.components.gates import Gate
from modelmill.data import task
from modelmill.data.core.atomic import write_atomically
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.records.node_outcome import Outcome
from modelmill.pipeline.records.summary_record import Summary

BUDGET = "budget"
# As in modelmill.components.artifacts; but that imports TFX, and a summary must be written even if TFX does not load.
TRIALS_FILE, GATES_FILE, INGEST_FILE = "trials.json", "gates.json", "ingest.json"
SPLITS = ("train", "eval", "test")
_MEASURED = ("bytes", "gzip_bytes", "latency_ms")


def summarise(
    experiment: Experiment,
    run_id: str,
    status: str | None,
    seconds: float,
    outcomes: dict[str, Outcome],
    events: list[dict[str, Any]],
    failure: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The summary.

    Args:
      experiment: as it was run.
      run_id: the run's.
      status: "failed" or "refused" if the run ended early; else it is read off the outcomes.
      seconds: of the whole run, wall clock.
      outcomes: by node id.
      events: rows of gates that nodes reported while they ran (a gate that stops the run leaves no artifact).
      failure: {"node", "reason"} if the run ended early.
    """
    trials = _json(outcomes, "compress", "report", TRIALS_FILE) or {}
    chosen = _chosen(trials)
    tested = _json(outcomes, "evaluate-compressed", "evaluation", "metrics.json") or {}
    metrics, judged = _evaluation(experiment, outcomes)
    gates = _gates(experiment, outcomes, events, judged, trials)
    pushed = _pushed(outcomes)
    found = {
        "experiment": experiment.name,
        "run_id": run_id,
        "status": status or _status(outcomes, gates, pushed),
        "seconds": round(seconds, 3),
        "nodes": [
            {"id": one.id, "seconds": one.seconds, "cached": one.state == "cached", "state": one.state}
            for one in outcomes.values()
        ],
        "data": _data(outcomes),
        "baseline": _output(outcomes, "baseline", "model"),
        # The second evaluation tells more of the float model, such as its calibration; the first is what was gated.
        "float": _float({**tested.get("float", {}), **(metrics or {})} or None, trials.get("float")),
        "compressed": _compressed(tested.get("compressed"), chosen),
        "trials": trials.get("trials", []),
        "gates": [gate.model_dump() for gate in gates],
        "pushed": pushed,
        "failure": failure,
    }
    return Summary.model_validate(_finite(found)).plain()


def write(path: Path, summary: dict[str, Any]) -> None:
    """Writes it as strict JSON, whole or (on a full disk) not at all."""
    write_atomically(path, json.dumps(summary, indent=1, allow_nan=False) + "\n")


def _output(outcomes: dict[str, Outcome], node: str, key: str) -> str | None:
    """Folder of an output artifact, if the node gave it and it is there."""
    output = outcomes[node].output(key) if node in outcomes else None
    return output.uri if output and Path(output.uri).is_dir() else None


def _json(outcomes: dict[str, Outcome], node: str, key: str, file: str) -> Any:
    folder = _output(outcomes, node, key)
    path = Path(folder, file) if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else None


def _status(outcomes: dict[str, Outcome], gates: list[Gate], pushed: str | None) -> str:
    """'partial' is a part of the chain that did all it was asked to, without the last node."""
    if pushed:
        return "pushed"
    asked = "push" in outcomes and outcomes["push"].state != "skipped"
    return "refused" if asked or any(gate.outcome == "refused" for gate in gates) else "partial"


def _chosen(trials: dict[str, Any]) -> dict[str, Any] | None:
    place = trials.get("chosen")
    return trials["trials"][place] if isinstance(place, int) and 0 <= place < len(trials["trials"]) else None


def _float(metrics: dict[str, float] | None, measured: dict[str, Any] | None) -> dict[str, Any] | None:
    if metrics is None and measured is None:
        return None
    return {"metrics": metrics or {}, **{key: (measured or {}).get(key) for key in _MEASURED}}


def _compressed(metrics: dict[str, float] | None, chosen: dict[str, Any] | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    measured = {key: chosen.get(key) for key in (*_MEASURED, "sparsity")}
    return {"chain": chosen["chain"], "label": chosen.get("label"), "metrics": metrics or {}, **measured}


def _data(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """Examples by split, how many files were dropped, how many features of all splits do not fit the schema, and what
    the data gate let pass with a warning.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

    splits = {
        name: statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets[0].num_examples
        for name, path in _splits(_output(outcomes, "statistics", "statistics"), "FeatureStats.pb").items()
    }
    reports = [
        anomalies_pb2.Anomalies.FromString(path.read_bytes())
        for path in _splits(_output(outcomes, "validator", "anomalies"), "SchemaDiff.pb").values()
    ]
    anomalies = sum(len(one.anomaly_info) + one.HasField("dataset_anomaly_info") for one in reports)
    ingested = _json(outcomes, "ingest", "examples", INGEST_FILE)
    verdict = _json(outcomes, "data-gate", "verdict", GATES_FILE) or []
    return {
        "splits": splits or None,
        "dropped": None if ingested is None else len(ingested["dropped"]),
        "anomalies": anomalies if reports else None,
        "warnings": [f"{row['metric']}, {row['slice']}: {row['reason']}" for row in verdict if row.get("warned")],
    }


def _splits(folder: str | None, file: str) -> dict[str, Path]:
    """The file of each split, in the order in which the splits are used."""
    names = [path.parent.name.removeprefix("Split-") for path in Path(folder).glob(f"Split-*/{file}")] if folder else []
    order = sorted(names, key=lambda name: (SPLITS.index(name) if name in SPLITS else len(SPLITS), name))
    return {name: Path(str(folder), f"Split-{name}", file) for name in order}


def _evaluation(experiment: Experiment, outcomes: dict[str, Outcome]) -> tuple[dict[str, float] | None, list[Gate]]:
    """The float model's metrics on the test split, and what its gate decided."""
    folder = _output(outcomes, "evaluate", "evaluation")
    if folder is None:
        return None, []
    from modelmill.components.evaluate import gates as evaluate_gates

    rows = evaluate_gates.float_gates(folder, experiment.evaluate, experiment.data.task)
    return {row.metric: row.value for row in rows[:1] if row.value is not None}, rows


def _gates(
    experiment: Experiment,
    outcomes: dict[str, Outcome],
    events: list[dict[str, Any]],
    judged: list[Gate],
    trials: dict[str, Any],
) -> list[Gate]:
    """All gates in the order of the chain; the same row is not told twice."""

    def kept(node: str, key: str) -> list[Gate]:
        return [Gate.model_validate(row) for row in _json(outcomes, node, key, GATES_FILE) or []]

    data = kept("data-gate", "verdict")
    written = kept("evaluate-compressed", "evaluation") + kept("check", "blessing")
    budget = _budget(experiment, trials)
    if budget:  # says more than the one row that the compressed model's evaluation keeps of it
        written = [row for row in written if row.gate != BUDGET]
    told = [Gate.model_validate(event) for event in events]
    rows = data + judged + budget + written
    return [row for row in told if row not in rows] + rows


def _budget(experiment: Experiment, trials: dict[str, Any]) -> list[Gate]:
    """What the chosen trial was held to; the Compressor has judged, this only tells it."""
    chosen = _chosen(trials)
    if chosen is None:
        return []
    budget, judge = experiment.compress, task.metric(experiment.data.task, experiment.evaluate.metric)
    metric = judge.name
    within = bool(trials.get("within_budget", chosen.get("within_budget")))
    reference, value = ((one or {}).get("metrics", {}).get(metric) for one in (trials.get("float"), chosen))
    drop = None if reference is None or value is None else judge.lost(reference, value)
    held = [
        (f"{metric}_drop", drop, budget.max_drop),
        ("gzip_bytes", chosen.get("gzip_bytes"), budget.max_bytes),
        ("latency_ms", chosen.get("latency_ms"), budget.max_latency_ms),
    ]
    rows = [
        Gate(gate=BUDGET, metric=name, value=found, bound=bound, passed=within or _below(found, bound))
        for name, found, bound in held
        if bound is not None
    ]
    if not within and all(row.passed for row in rows):
        rows.append(Gate(gate=BUDGET, metric="trial", passed=False, reason="; ".join(chosen.get("over", []))))
    return rows


def _below(value: float | None, bound: float) -> bool:
    return value is not None and value <= bound


def _pushed(outcomes: dict[str, Outcome]) -> str | None:
    """Folder of the pushed version."""
    output = outcomes["push"].output("pushed_model") if "push" in outcomes else None
    if output is None or outcomes["push"].state == "skipped" or not output.properties.get("pushed"):
        return None
    return str(output.properties["pushed_destination"])


def _finite(value: Any) -> Any:
    """Strict JSON knows neither NaN nor infinity: null."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
