"""Runs experiments by the public command line, one after the other in one process, which loads TFX once.

A program: `worker.py MODULE WORK NAME...`. Several may share the names: each takes those that no other has taken.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from pathlib import Path


def main(module: str, work: Path, names: list[str]) -> None:
    """Run the experiments WORK/experiments/NAME.yaml; WORK/ended/NAME.json tells each run's exit code and seconds."""
    for name in names:
        try:
            (work / "taken" / name).mkdir(parents=True)
        except FileExistsError:
            continue
        start, before = time.perf_counter(), _cpu_seconds()
        code = run(module, ["run", str(work / "experiments" / f"{name}.yaml"), "--root", str(work / "runs")])
        cost = {"seconds": time.perf_counter() - start, "cpu_seconds": _cpu_seconds() - before}
        path = work / "ended" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        staging = path.with_suffix(".part")
        staging.write_text(json.dumps({"exit_code": code, **cost}))
        staging.rename(path)  # whole or not at all: the other process waits for it


def run(module: str, arguments: list[str]) -> int:
    """Do what `python -m MODULE ARGUMENTS` does, and return its exit code."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _cpu_seconds() -> float:
    """Return user and system time of this process and of its children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
