"""kill -9 and a full disk in every node of the real chain, and then the same command again: it goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.pipeline import layout
from modelmill.pipeline.layout import Folders
from tests.conftest import CLASSES, stripes

pytestmark = pytest.mark.slow

EXPERIMENT = """
name: small
data: {modality: image, path: data, csv: labels.csv, height: 12, width: 12, channels: 1}
validate: {skew: 0.9, drift: 0.9}
model: {family: cnn, filters: [4], dense: [8]}
train: {epochs: 12, optimizer: {learning_rate: 0.01}}
evaluate: {threshold: 0.1, max_regression: 1, slices: [label, camera, floor], slice_threshold: 0.01, min_slice: 1}
compress: {chains: [[dynamic_range]], max_drop: 1, margin: 1}
"""
# Examples are augmented online here: there is no node for it.
NODES = tuple(name for name in layout.NODES if name != "augment")
LOOK_UPS = ("baseline", "last-statistics")
DISK = 24  # MB


class Chain:
    """The same command, again and again, on one root."""

    def __init__(self, server: subprocess.Popen[str], experiment: Path, root: Path) -> None:
        self._server, self._experiment, self._root = server, experiment, root
        self.folders = Folders(root, "small")
        self.lines: list[str] = []

    def run(self, node: str | None = None, kill: bool = False, fill: bool = False) -> int:
        """One run, disturbed when it comes to the node; gives its exit code."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([str(self._experiment), str(self._root)]) + "\n")
        self._server.stdin.flush()
        self.lines, pid = [], 0
        for line in self._server.stdout:
            line = line.rstrip("\n")
            self.lines.append(line)
            if line.startswith("pid "):
                pid = int(line.split()[1])
            elif line == f"{node} ...":
                self._disturb(node, pid, kill, fill)
            elif line.startswith("exit "):
                return int(line.split()[1])
        pytest.fail("\n".join(["the server has ended", *self.lines]))

    def _disturb(self, node: str, pid: int, kill: bool, fill: bool) -> None:
        if fill:
            os.kill(pid, signal.SIGSTOP)
            self.fill()
            os.kill(pid, signal.SIGCONT)
        if kill:
            deadline = time.monotonic() + (0 if node in LOOK_UPS else 20)
            while not self._half_done(node) and time.monotonic() < deadline:
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)

    def _half_done(self, node: str) -> bool:
        """Whether the node has its newest output folder, and nobody knows yet of what is in it."""
        return bool(self.unfinished(node))

    def unfinished(self, node: str) -> list[Path]:
        """Output folders that are not the linked ones of any run."""
        known = {path.resolve() for path in self.folders.experiment.glob(f"*/links/{node}/*")}
        folders = (self.folders.artifacts / node).glob("[!.]*/*")
        return [path for path in folders if path.resolve() not in known]

    def fill(self) -> None:
        """Takes all that is left of the disk."""
        with open(self._root / "filler", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self) -> None:
        (self._root / "filler").unlink(missing_ok=True)

    def states(self) -> dict[str, str]:
        """What became of the nodes that were come to, as the screen says."""
        told = (line.partition(": ") for line in self.lines)
        return {name: word.split(",")[0] for name, _, word in told if name in NODES}

    def check_pushed(self) -> list[str]:
        """The versions; each is whole."""
        versions = [path for path in self.folders.pushed.glob("*") if not path.name.startswith(".")]
        for version in versions:
            manifest = json.loads((version / "manifest.json").read_text())
            for name, file in manifest["files"].items():
                assert hashlib.sha256((version / name).read_bytes()).hexdigest() == file["sha256"]
        return sorted(path.name for path in versions)


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("forks.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Three classes of stripes, labelled by a CSV with further columns."""
    from PIL import Image

    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["path,label,camera,floor,weight"]
    for number in range(180):
        label = CLASSES[number % 3]
        Image.fromarray(stripes(label, number)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{label},{'left' if number % 4 else 'right'},{1 + number % 2},{number / 7}")
    (folder / "labels.csv").write_text("\n".join(rows))
    path = tmp_path / "small.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, if such a one can be made (by root)."""
    folder = tmp_path / "runs"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(folder)]
    mounted = not subprocess.run(command, capture_output=True, check=False).returncode
    yield folder
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def check_goes_on(chain: Chain, node: str) -> None:
    """Only the node at which the last run was disturbed, the one before, is done again; nothing is half pushed."""
    before = [name for name in NODES[: NODES.index(node)] if name not in LOOK_UPS]
    states = chain.states()
    assert [states.get(name) for name in before[:-1]] == ["cached"] * len(before[:-1]), chain.lines
    assert all(states.get(name) in ("done", "cached") for name in before[-1:]), chain.lines
    assert chain.check_pushed() in ([], ["1"])


def test_disturbed_in_every_node_it_goes_on(server: subprocess.Popen[str], experiment: Path, root: Path) -> None:
    chain = Chain(server, experiment, root)
    for node in NODES:
        if os.path.ismount(root):
            code = chain.run(node, fill=True)
            chain.free()
            check_goes_on(chain, node)
            told = "\n".join(chain.lines)
            assert code == (1 if "failed" in told else 0), told
            assert "Traceback" not in told and (code == 0 or "No space left" in told or "full" in told), told
        assert chain.run(node, kill=True) in (0, -signal.SIGKILL), chain.lines
        check_goes_on(chain, node)
    assert chain.run() == 0, chain.lines
    assert chain.check_pushed() == ["1"]
    assert chain.run() == 0
    assert {state for name, state in chain.states().items() if name not in LOOK_UPS} == {"cached"}
    check_slices(chain)


def check_slices(chain: Chain) -> None:
    """The columns of the CSV went all the way to both evaluations."""
    summary = json.loads((chain.folders.latest / "summary.json").read_text())
    slices = {
        gate: {row["slice"] for row in summary["gates"] if row["gate"] == gate} - {"overall"}
        for gate in ("slice_threshold", "non_inferiority")
    }
    wanted = {"camera=left", "camera=right", "floor=1", "floor=2"} | {f"label={label}" for label in CLASSES}
    assert slices == {"slice_threshold": wanted, "non_inferiority": wanted}
    assert {row["slice"] for row in summary["gates"] if row["metric"] == "skew"} >= {"test/camera", "eval/weight"}
    assert (summary["data"]["dropped"], summary["data"]["warnings"]) == (0, [])
