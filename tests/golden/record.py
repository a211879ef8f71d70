"""Records what the golden experiments come to in a checkout.

    python -m tests.golden.record CHECKOUT OUT.json [NAME...]

The checkout is used by its command line and the files that a run leaves; nothing of it is imported here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.golden import checkouts, digests, inputs

EXPERIMENTS = Path(__file__).with_name("experiments")
NAMES = tuple(sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")))
WORKERS = 2  # processes; each loads TFX, in 10 seconds and 1 GB
SIZES = ("bytes", "gzip_bytes", "zstd_bytes", "arena_bytes")
# Texts for people: rewording them changes no behaviour.
PROSE = ("meaning", "steps")
Flat = dict[str, Any]


def record(checkout: Path, names: Iterable[str] = NAMES, workers: int = WORKERS) -> dict[str, Any]:
    """Run experiments in a checkout and return their record.

    Returns:
      environment, see checkouts.py; and by experiment its parts `exact`, `figures` and `digests`, each flat.

    Raises:
      RuntimeError: an experiment did not get as far as a summary.
    """
    names = list(names)
    with tempfile.TemporaryDirectory(prefix="modelmill-golden-") as folder:
        work = Path(folder)
        _prepare(work, checkout, names)
        _run(work, checkout, names, workers)
        found = {name: experiment(work, name) for name in names}
    return {"environment": checkouts.environment(), "experiments": found}


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a record as JSON, a row a line, so that a person can read what has changed in it."""

    def rows(content: Flat) -> str:
        lines = (f"   {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())
        return "{\n" + ",\n".join(sorted(lines)) + "\n  }"

    def parts(content: dict[str, Flat]) -> str:
        return "{\n" + ",\n".join(f"  {json.dumps(part)}: {rows(content[part])}" for part in sorted(content)) + "\n }"

    recorded = {name: parts(content) for name, content in sorted(found["experiments"].items())}
    experiments = ",\n".join(f" {json.dumps(name)}: {content}" for name, content in recorded.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = json.dumps(found["environment"], sort_keys=True)
    path.write_text(f'{{"environment": {environment},\n"experiments": {{\n{experiments}\n}}}}\n', encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _prepare(work: Path, checkout: Path, names: list[str]) -> None:
    """Write the data and the experiments; a checkout's own files go first, since keys may have other names there."""
    inputs.write(work / "inputs")
    (work / "experiments").mkdir()
    for name in names:
        own = checkout / EXPERIMENTS.relative_to(checkouts.ROOT) / f"{name}.yaml"
        source = own if own.is_file() else EXPERIMENTS / f"{name}.yaml"
        shutil.copyfile(source, work / "experiments" / source.name)


def _run(work: Path, checkout: Path, names: list[str], workers: int) -> None:
    """Run the experiments in worker processes, whose output is shown if one of them ends without a summary."""
    path, module = checkouts.program(checkout, work)
    settings = {"PYTHONPATH": str(path), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "NO_COLOR": "1"}
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | settings
    command = [sys.executable, "-P", str(Path(__file__).with_name("worker.py")), module, str(work), *names]
    cwd = work / "cwd"  # empty: nothing in it can be imported
    cwd.mkdir()
    logs = [work / f"worker-{number}.txt" for number in range(min(workers, len(names)))]
    running = []
    for log in logs:
        with log.open("w") as file:
            running.append(subprocess.Popen(command, cwd=cwd, env=variables, stdout=file, stderr=file))
    told: set[Path] = set()
    while any(process.poll() is None for process in running):
        time.sleep(0.2)
        for path in {*(work / "ended").glob("*.json")} - told:
            ended = json.loads(path.read_text())
            print(f"{path.stem}: {ended['seconds']:.0f} s, {ended['cpu_seconds']:.0f} s of CPU", file=sys.stderr)
            told.add(path)
    missing = [name for name in names if not _latest(work, name, "summary.json").is_file()]
    if missing or any(process.returncode for process in running):
        output = "\n".join(log.read_text(errors="replace")[-4000:] for log in logs)
        raise RuntimeError(f"{checkout}: no summary of {', '.join(missing) or 'a run'}\n{output}")


def _latest(work: Path, name: str, *parts: str) -> Path:
    return Path(work, "runs", name, "latest", *parts)


def experiment(work: Path, name: str) -> dict[str, Flat]:
    """Return the record of an experiment that has been run."""
    folder, ended = _latest(work, name), json.loads((work / "ended" / f"{name}.json").read_text())
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    bundle = folder / "links" / "check" / "bundle"
    tree = {
        "exit_code": ended["exit_code"],
        "status": summary["status"],
        "failure": (summary["failure"] or {}).get("reason"),
        "pushed": bool(summary["pushed"]),
        "data": {key: summary["data"][key] for key in ("splits", "dropped", "anomalies")},
        "nodes": {node["id"]: node["state"] for node in summary["nodes"]},
        "gates": _gates(summary["gates"]),
        "train": _history(folder / "links" / "train" / "model_run" / "history.json"),
        "float": _model(summary["float"]),
        "compressed": _model(summary["compressed"]),
        "trials": {trial["label"]: _trial(trial) for trial in summary["trials"]},
        "bundle": _bundle(bundle),
    }
    rows = flat(tree)
    figures = {key for key, value in rows.items() if isinstance(value, float) or key.split("/")[-1] in SIZES}
    return {
        "exact": {key: value for key, value in rows.items() if key not in figures},
        "figures": {key: float(f"{rows[key]:.9g}") for key in figures if rows[key] is not None},
        "digests": digests.of_run(folder, bundle),
    }


def flat(tree: Any, path: str = "") -> Flat:
    """Return the leaves of nested dictionaries by their path; a list without dictionaries is a leaf."""
    if isinstance(tree, dict):
        pairs: Iterable[tuple[Any, Any]] = tree.items()
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        pairs = enumerate(tree, start=1)
    else:
        return {path: tree}
    return {
        name: leaf for key, value in pairs for name, leaf in flat(value, f"{path}/{key}" if path else str(key)).items()
    }


def _gates(rows: list[dict[str, Any]]) -> Flat:
    """Return the outcome of each row of the gates; of those that judge a whole split also the value and its bound.

    Not the interval: TFMA's jackknife draws at random which examples it leaves out.
    """
    found: Flat = {}
    for row in rows:
        name = key = f"{row['gate']} {row['metric']} {row['slice']}"
        while key in found:
            key += " again"
        found[key] = {"outcome": outcome(row)}
        if name.endswith(" overall"):
            found[key] |= {part: row[part] for part in ("value", "bound") if row[part] is not None}
    return found


def outcome(row: dict[str, Any]) -> str:
    """Return what a gate decided: passed, warned, undecided or refused."""
    if row.get("warned"):
        return "warned"
    return str(
        row.get("outcome") or ("passed" if row["passed"] else "undecided" if row.get("undecided") else "refused")
    )


def _history(path: Path) -> Flat:
    """Return losses and metrics by epoch."""
    rows = json.loads(path.read_text()) if path.is_file() else []
    return {
        f"epoch {number}": {key: value for key, value in row.items() if key != "seconds"}
        for number, row in enumerate(rows, start=1)
    }


def _model(found: dict[str, Any] | None) -> Flat | None:
    """Return a model's metrics on the test split and its sizes."""
    keys = ("label", "metrics", "bytes", "gzip_bytes", "sparsity")
    return found and {key: found[key] for key in keys if key in found}


def _trial(trial: dict[str, Any]) -> Flat:
    """Return the settings of a chain, what it came to, and the layers of its flatbuffer; without latencies."""
    keys = ("chain", "status", "within_budget", "metrics", "sparsity", "macs", "parameters", *SIZES)
    layers = [
        f"{layer['layer']} {layer['operator']} {layer['bits']} bits {'x'.join(map(str, layer['shape']))}"
        for layer in trial.get("layers", [])
    ]
    spared = [f"{row['layer']} by {row['method']}" for row in trial["skipped"]]
    return {**{key: trial[key] for key in keys if key in trial}, "layers": layers, "skipped": spared}


def _bundle(folder: Path) -> Flat | None:
    """Return the labels, the names of the files, and what the manifest says of inputs, outputs and preprocessing."""
    if not (folder / "manifest.json").is_file():
        return None
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    parts = {key: manifest[key] for key in ("task", "preprocessing", "flatbuffer", "saved_model")}
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    labels = (folder / manifest["labels"]).read_text(encoding="utf-8").splitlines()
    return {"labels": labels, "files": files, **without_prose(parts)}


def without_prose(tree: Any) -> Any:
    """Leave out the texts for people."""
    if isinstance(tree, dict):
        return {key: without_prose(value) for key, value in tree.items() if key not in PROSE}
    return tree


def main() -> None:
    """Record a checkout's experiments in a file."""
    parser = argparse.ArgumentParser(description="Record what the golden experiments come to in a checkout.")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help=f"experiments; all if absent: {', '.join(NAMES)}")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes at work at once")
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown experiments {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    found = record(given.checkout, given.names or NAMES, given.workers)
    failures = {
        name: one["exact"]["failure"] for name, one in found["experiments"].items() if one["exact"]["exit_code"] == 1
    }
    if failures:
        parser.exit(1, f"nothing was written: {'; '.join(f'{name} failed: {why}' for name, why in failures.items())}\n")
    write(given.out, found)


if __name__ == "__main__":
    main()
