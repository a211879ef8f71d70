"""One damaged or strange record of a run is listed as such, and hides no other."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from modelmill.components.gates import Gate
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.records import run as results
from modelmill.pipeline.records.summary_record import Summary

SOUND = {
    "experiment": "pets",
    "run_id": "20260101-000000",
    "status": "pushed",
    "seconds": 12.5,
    "nodes": [{"id": "train", "seconds": 9.0, "cached": False, "state": "done"}],
    "data": {"splits": {"train": 10}, "dropped": None, "anomalies": 0, "warnings": []},
    "float": {"metrics": {"accuracy": 0.9}, "bytes": 9, "gzip_bytes": 8, "latency_ms": None},
    "compressed": {"chain": [["prune", {}]], "label": "prune", "metrics": {"accuracy": 0.8}, "gzip_bytes": 4},
    "trials": [{"label": "int8", "status": "ok", "metrics": {"accuracy": 0.8}, "over": ["gzip_bytes"], "new": 1}],
    "gates": [Gate(gate="accuracy", metric="accuracy", passed=True).model_dump()],
    "pushed": "runs/pets/pushed/1",
    "failure": None,
    "of a later version": True,
}
DAMAGED = {
    "empty": b"",
    "cut": json.dumps(SOUND).encode()[:200],
    "no text": b"\xff\xfe\0",
    "a list": b"[]",
    "of a version before": json.dumps({"experiment": "pets", "gates": []}).encode(),
    "another status": json.dumps({**SOUND, "status": "great"}).encode(),
    "no number": json.dumps({**SOUND, "seconds": "long"}).encode(),
}


def record(root: Path, run: str, summary: bytes) -> Path:
    folder = root / "pets" / run
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text("name: pets\n")
    (folder / "summary.json").write_bytes(summary)
    return folder


def call(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_summary_is_listed_and_the_others_are_shown(content: bytes, tmp_path: Path) -> None:
    record(tmp_path, "20260101-000000", json.dumps(SOUND).encode())
    damaged = record(tmp_path, "20260102-000000", content)
    code, said = call("runs", "--root", tmp_path)
    assert code == 0 and "0.8000" in said and "unreadable" in said and "pets/20260102-000000: summary.json: " in said
    code, said = call("runs", "--json", "--root", tmp_path)
    assert code == 0 and [json.loads(line)["status"] for line in said.splitlines()] == ["pushed", "unreadable"]
    assert call("clean", "--dry-run", "--root", tmp_path)[0] == 0
    code, said = call("predict", "pets", "x", "--root", tmp_path)
    assert code == 2 and "has pushed a version that is still there" in said
    code, said = call("report", damaged, "--root", tmp_path)
    assert code == 1 and "page can't be made" in said and str(damaged) in said


def test_a_summary_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    run = results.read(record(tmp_path, "20260101-000000", json.dumps(SOUND).encode()))
    assert run.float_model is not None and run.float_model.metrics == {"accuracy": 0.9}
    assert run.compressed_model is not None and run.compressed_model.made_by == "prune"
    assert run.trials[0].reason == "gzip_bytes" and run.gates[0].outcome == "passed" and run.examples == {"train": 10}
    again = Summary.model_validate(SOUND).model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert json.loads(json.dumps(again)) == SOUND


def test_the_schema_of_a_summary_is_printed_and_holds() -> None:
    code, said = call("schema", "--summary")
    schema = json.loads(said)
    assert code == 0
    jsonschema.validate(SOUND, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**SOUND, "seconds": "long"}, schema)


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    folder = record(tmp_path, "20260101-000000", json.dumps(SOUND).encode())
    (folder / "experiment.yaml").write_text("name: [")
    code, said = call("report", folder, "--root", tmp_path)
    assert code == 1 and "Traceback" not in said
