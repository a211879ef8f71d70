"""summary.json and the tables, from artifacts as the nodes leave them: real statistics, anomalies and evaluations."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow_model_analysis as tfma
from rich.console import Console
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tensorflow_model_analysis.proto import config_pb2

from modelmill.components import artifacts, gates
from modelmill.components.evaluate import compare
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.gates import Gate
from modelmill.components.intervals import wilson
from modelmill.data import predictions, task
from modelmill.pipeline.experiment.experiment import Experiment, load
from modelmill.pipeline.layout import NODES
from modelmill.pipeline.records import summary
from modelmill.pipeline.records.node_outcome import Outcome, Output
from modelmill.pipeline.runners.local import console_messages, console_tables

KEYS = {
    "experiment",
    "run_id",
    "status",
    "seconds",
    "nodes",
    "data",
    "float",
    "compressed",
    "trials",
    "gates",
    "pushed",
}
LABELS = ["cat", "dog"]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ModelEvaluation as TFX's Evaluator leaves it: 400 examples, of which 18 dogs are called cats."""
    labels = np.array([0] * 200 + [1] * 200)
    answers = labels.copy()
    answers[200:218] = 0
    record = task.look_up("classification").record
    frame = pd.DataFrame(
        {
            "label": labels,
            "prediction": predictions.serialize(record(np.eye(2, dtype=np.float32)[answers], labels)),
            "class": [LABELS[label] for label in labels],
        }
    )
    judged = EvaluateConfig().resolved("classification")
    config = config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key="label", prediction_key="prediction")],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["class"])],
        metrics_specs=[config_pb2.MetricsSpec(metrics=compare.metric_configs("classification", judged))],
    )
    compare.with_intervals(config)
    folder = tmp_path_factory.mktemp("evaluation")
    tfma.analyze_raw_data(frame, config, output_path=str(folder))
    return str(folder)


def trial(label: str, accuracy: float, gzipped: int, **more: object) -> dict[str, object]:
    """A trial as the Compressor writes it."""
    return {
        "chain": [{"method": part} for part in label.split(" + ")],
        "label": label,
        "status": "ok",
        "reason": "",
        "metrics": {"accuracy": accuracy},
        "bytes": 3 * gzipped,
        "gzip_bytes": gzipped,
        "sparsity": 0.8,
        "latency_ms": 0.02,
        "float_latency_ms": 0.03,
        "seconds": 4.5,
        "within_budget": True,
        "over": [],
        "skipped": [],
        **more,
    }


class Chain:
    """The outcomes of a chain whose artifacts lie under a folder."""

    def __init__(self, folder: Path, evaluation: str) -> None:
        self.folder = folder
        self.outcomes = {name: Outcome(name, "done", 1.5) for name in NODES}
        self.add("evaluate", "evaluation", evaluation)
        for split, count in (("train", 1250), ("test", 270), ("eval", 277)):
            counted = statistics_pb2.DatasetFeatureStatisticsList()
            counted.datasets.add(num_examples=count)
            self.file("statistics", "statistics", f"Split-{split}/FeatureStats.pb", counted.SerializeToString())
            found = anomalies_pb2.Anomalies()
            if split == "eval":
                found.anomaly_info["label"].description = "odd"
            self.file("validator", "anomalies", f"Split-{split}/SchemaDiff.pb", found.SerializeToString())
        self.trials(1, True)
        exact = {"accuracy": 0.9, "calibration_error": 0.02}  # the first evaluation's accuracy is what was gated
        metrics = {"float": exact, "compressed": {"accuracy": 0.95}, "examples": 400}
        self.json("evaluate-compressed", "evaluation", "metrics.json", metrics)
        rows = [
            Gate(gate="non_inferiority", metric="d", value=-0.01, lower=-0.02, upper=0, bound=-0.03, passed=True),
            Gate(gate="budget", metric="budget", passed=True),
        ]
        self.gates("evaluate-compressed", "evaluation", rows)
        self.gates("check", "blessing", [Gate(gate="load_check", metric="agreement", value=1, bound=1, passed=True)])
        self.outcomes["push"].outputs["pushed_model"] = [
            Output(
                str(folder), {"pushed": 1, "pushed_destination": str(folder / "pushed" / "3"), "pushed_version": "3"}
            )
        ]

    def add(self, node: str, key: str, uri: str) -> Path:
        self.outcomes[node].outputs.setdefault(key, [Output(uri)])
        return Path(uri)

    def file(self, node: str, key: str, name: str, content: bytes) -> None:
        path = self.add(node, key, str(self.folder / node / key)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def json(self, node: str, key: str, name: str, content: object) -> None:
        self.file(node, key, name, json.dumps(content).encode())

    def gates(self, node: str, key: str, rows: list[Gate]) -> None:
        self.json(node, key, artifacts.GATES_FILE, [row.model_dump() for row in rows])

    def trials(self, chosen: int, within: bool) -> None:
        tried = [
            trial("dynamic_range", 0.99, 20_000),
            trial("prune + int8", 0.98, 6_000, within_budget=within, over=[] if within else ["accuracy falls by 0.1"]),
            {**trial("pqat", 0, 0), "status": "failed", "reason": "no kernel", "metrics": {}, "within_budget": False},
        ]
        content = {"float": trial("float32", 0.985, 50_000), "trials": tried, "chosen": chosen, "within_budget": within}
        self.json("compress", "report", artifacts.TRIALS_FILE, content)


@pytest.fixture
def chain(tmp_path: Path, evaluation: str) -> Chain:
    return Chain(tmp_path, evaluation)


@pytest.fixture(scope="module")
def digits() -> Experiment:
    return load("digits-cnn", ["evaluate.threshold=0.9", "compress.max_drop=0.01"])


def made(experiment: Experiment, chain: Chain, **more: object) -> dict:
    """The summary, through a file."""
    settings = {"status": None, "seconds": 12.34567, "events": [], **more}
    found = summary.summarise(experiment, "20261122-004215", outcomes=chain.outcomes, **settings)
    path = chain.folder / "summary.json"
    summary.write(path, found)
    return json.loads(path.read_text(), parse_constant=pytest.fail)


def printed(found: dict, width: int = 140) -> str:
    """The end of a run on the screen."""
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    console_tables.show(console, found)
    console_messages.end(console, found, Path("log.txt"), ["modelmill", "run", "digits-cnn"])
    return file.getvalue()


def test_what_was_dropped_and_what_was_warned_of_is_told(chain: Chain, digits: Experiment) -> None:
    chain.json("ingest", "examples", artifacts.INGEST_FILE, {"dropped": [{"path": "a/1.png", "reason": "no image"}]})
    row = Gate(gate="data", metric="drift", slice="train/label", value=0.4, bound=0.1, passed=True, warned=True)
    chain.gates("data-gate", "verdict", [row.model_copy(update={"reason": "too far"})])
    found = made(digits, chain)
    assert (found["data"]["dropped"], found["data"]["warnings"]) == (1, ["drift, train/label: too far"])
    text = " ".join(printed(found).split())
    assert "1 anomalies; 1 files dropped" in text
    assert "data drift, train/label 0.4000 0.1000 warning, too far" in text


def test_a_pushed_run(chain: Chain, digits: Experiment) -> None:
    found = made(digits, chain)
    assert set(found) >= KEYS
    assert (found["status"], found["pushed"]) == ("pushed", str(chain.folder / "pushed" / "3"))
    splits = {"train": 1250, "eval": 277, "test": 270}
    assert found["data"] == {"splits": splits, "dropped": None, "anomalies": 1, "warnings": []}
    assert list(found["data"]["splits"]) == ["train", "eval", "test"]
    assert found["float"] == {
        "metrics": {"accuracy": pytest.approx(0.955), "calibration_error": 0.02},
        "bytes": 150_000,
        "gzip_bytes": 50_000,
        "latency_ms": 0.02,
    }
    assert found["compressed"]["chain"] == [{"method": "prune"}, {"method": "int8"}]
    assert found["compressed"]["metrics"] == {"accuracy": 0.95}
    assert (found["compressed"]["gzip_bytes"], found["compressed"]["sparsity"]) == (6_000, 0.8)
    assert len(found["trials"]) == 3
    assert found["nodes"][0] == {"id": "ingest", "seconds": 1.5, "cached": False, "state": "done"}
    assert found["baseline"] is None


def test_its_gates(chain: Chain, digits: Experiment) -> None:
    rows = {(row["gate"], row["metric"], row["slice"]): row for row in made(digits, chain)["gates"]}
    threshold = rows["threshold", "accuracy", "overall"]
    assert (threshold["value"], threshold["bound"], threshold["passed"]) == (pytest.approx(0.955), 0.9, True)
    assert (threshold["lower"], threshold["upper"]) == pytest.approx(wilson(382, 400))
    assert rows["regression", "accuracy_difference", "overall"]["reason"] == "there was no baseline"
    budget = rows["budget", "accuracy_drop", "overall"]
    assert (budget["value"], budget["bound"], budget["passed"]) == (pytest.approx(0.005), 0.01, True)
    assert ("budget", "budget", "overall") not in rows
    assert {gate for gate, _, _ in rows} == {"threshold", "regression", "budget", "non_inferiority", "load_check"}


def test_a_budget_that_nothing_meets(chain: Chain, digits: Experiment) -> None:
    chain.trials(1, within=False)
    chain.outcomes["push"].outputs["pushed_model"] = [Output(str(chain.folder), {"pushed": 0})]
    found = made(digits, chain)
    assert (found["status"], found["pushed"]) == ("refused", None)
    refused = [row for row in found["gates"] if not row["passed"]]
    assert [(row["gate"], row["reason"]) for row in refused] == [("budget", "accuracy falls by 0.1")]
    text = printed(found)
    assert "refused, nothing was pushed:\n  budget: " in text and "accuracy falls by 0.1" in text


def test_a_run_that_ended_early(chain: Chain, digits: Experiment) -> None:
    for name in NODES[NODES.index("compress") :]:
        chain.outcomes[name] = Outcome(name)
    failure = {"node": "compress", "reason": "out of memory"}
    found = made(digits, chain, status="failed", failure=failure)
    assert (found["compressed"], found["trials"], found["pushed"]) == (None, [], None)
    assert found["float"]["metrics"] and found["float"]["bytes"] is None
    assert "compress failed: out of memory\nlog       log.txt\ngo on by  modelmill run digits-cnn" in printed(found)


def test_a_run_that_never_began(tmp_path: Path, digits: Experiment) -> None:
    failure = {"node": None, "reason": "no TFX"}
    found = summary.summarise(digits, "1", "failed", 0.5, {}, [], failure)
    assert found["data"] == {"splits": None, "dropped": None, "anomalies": None, "warnings": []}
    assert (found["float"], found["compressed"], found["nodes"], found["gates"]) == (None, None, [], [])
    assert "failed: no TFX" in printed(found)


def test_a_part_of_the_chain(chain: Chain, digits: Experiment) -> None:
    chain.outcomes["push"] = Outcome("push", "skipped", outputs=chain.outcomes["push"].outputs)
    assert made(digits, chain)["status"] == "partial"
    chain.gates("check", "blessing", [Gate(gate="load_check", metric="agreement", passed=False)])
    assert made(digits, chain)["status"] == "refused"


def test_events_of_gates_are_not_told_twice(chain: Chain, digits: Experiment) -> None:
    rows = gates.read(chain.folder / "check" / "blessing" / artifacts.GATES_FILE)
    other = Gate(gate="data", metric="anomaly", slice="train/label", passed=False, reason="odd")
    events = [row.model_dump() for row in [other, *rows]]
    found = made(digits, chain, events=events, status="refused")
    assert [row["gate"] for row in found["gates"]].count("load_check") == 1
    assert found["gates"][0] == other.model_dump()


def test_what_is_undecided_is_told_and_stops_nothing(chain: Chain, digits: Experiment) -> None:
    rows = gates.read(chain.folder / "evaluate-compressed" / "evaluation" / artifacts.GATES_FILE)
    few = {"passed": False, "undecided": True, "reason": "20 examples are too few"}
    rows += [Gate(gate="non_inferiority", metric="d", slice=f"label={one}", **few) for one in range(2)]
    rows += [Gate(gate="non_inferiority", metric="d", slice="label=2", passed=True)]
    chain.gates("evaluate-compressed", "evaluation", rows)
    found = made(digits, chain)
    assert found["status"] == "pushed"
    assert [row["outcome"] for row in found["gates"][-4:-1]] == ["undecided", "undecided", "passed"]
    text = " ".join(printed(found).split())
    assert "gates 6 passed, 2 undecided, 0 refused" in text
    assert "and 3 of single slices or splits: 1 passed, 2 undecided" in text
    refusing = [*rows, Gate(gate="non_inferiority", metric="d", slice="label=3", passed=False)]
    chain.gates("evaluate-compressed", "evaluation", refusing)
    chain.outcomes["push"].outputs["pushed_model"] = [Output(str(chain.folder), {"pushed": 0})]
    text = printed(made(digits, chain))
    assert "6 passed, 2 undecided, 1 refused" in text
    why = text.partition("nothing was pushed")[2]
    assert "label=3" in why and "label=1" not in why


def test_what_is_no_number_is_null(chain: Chain, digits: Experiment) -> None:
    metrics = '{"float": {"accuracy": 1}, "compressed": {"accuracy": NaN, "x": Infinity}}'
    chain.file("evaluate-compressed", "evaluation", "metrics.json", metrics.encode())
    assert made(digits, chain)["compressed"]["metrics"] == {"accuracy": None, "x": None}


def test_the_table(chain: Chain, digits: Experiment) -> None:
    chain.outcomes["ingest"].state = "cached"
    text = printed(made(digits, chain))
    for words in (
        "float 0.9550 0.0200 150,000 50,000 0.020 ms",
        "compressed 0.9500 18,000 6,000 0.020 ms prune + int8",
        "prune + int8 0.9800 6,000 0.80 0.020 ms 4.5 chosen",
        "pqat 0 0.80 0.020 ms 4.5 failed",
        "pqat: no kernel",
        "budget accuracy_drop 0.0050 0.0100 passed",
        "examples train 1,250, eval 277, test 270; 1 anomalies",
        "baseline none: no older model made from other inputs was blessed",
        "nodes 14 run, 1 cached",
        "seconds 12.3",
        f"pushed {chain.folder / 'pushed' / '3'}",
    ):
        assert words in " ".join(text.split()), words


def test_a_narrow_terminal_shows_it_too(chain: Chain, digits: Experiment) -> None:
    assert "float" in printed(made(digits, chain), width=60)
