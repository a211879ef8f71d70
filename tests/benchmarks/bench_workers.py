"""What `compress.workers: 2` gains: the chains of bench_trials.py's METHODS, made by one worker and by two.

make bench ARGS='-k test_workers'   # on a machine with nothing else to do
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.benchmarks.bench_trials import METHODS, ran, reported, told


@pytest.mark.timeout(3600)
def test_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same results, bit by bit in size; two take less time where one leaves a core idle."""
    lines, sizes = ["| workers | minutes of `compress` |", "|---|---|"], []
    for count in (1, 2):
        sets = (f"compress.chains={json.dumps(METHODS)}", f"compress.workers={count}", "evaluate.threshold=0.5")
        links = ran(tmp_path / str(count), "digits-cnn", "compress", *sets)
        nodes = json.loads((links.parent / "summary.json").read_text())["nodes"]
        seconds = next(node["seconds"] for node in nodes if node["id"] == "compress")
        report = reported(links)
        sizes.append([trial["gzip_bytes"] for trial in (report["float"], *report["trials"])])
        lines.append(f"| {count} | {seconds / 60:.1f} |")
    told([*lines, f"load while it ran, of {os.cpu_count()} cores: {os.getloadavg()[1]:.1f}"], capsys)
    assert sizes[0] == sizes[1]
