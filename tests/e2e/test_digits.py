"""The command line, the whole chain and its cache, on the real digits; short trainings, to learn is not the point."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

QUICK = [
    "train.epochs=6",
    "train.early_stopping=null",
    "evaluate.threshold=0.8",
    "compress.max_drop=0.05",
    "compress.margin=0.05",
    "compress.chains=[[int8], [dynamic_range]]",
]


def command(root: Path, *more: str) -> list[str]:
    sets = [word for override in QUICK for word in ("--set", override)]
    return [sys.executable, "-m", "modelmill", "run", "digits-cnn", "--root", str(root), *sets, *more]


def modelmill(root: Path, *more: str) -> tuple[int, str, dict[str, Any]]:
    """Runs digits-cnn, quickly; gives the exit code, what it printed, and the summary."""
    done = subprocess.run(command(root, *more), capture_output=True, text=True, check=False)
    summary: dict[str, Any] = json.loads((root / "digits-cnn" / "latest" / "summary.json").read_text())
    return done.returncode, done.stdout + done.stderr, summary


def worked(summary: dict[str, Any]) -> list[str]:
    """The nodes that were not cached; look-ups never are."""
    return [
        node["id"]
        for node in summary["nodes"]
        if not node["cached"] and node["id"] not in ("baseline", "last-statistics")
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def first(root: Path) -> tuple[int, str, dict[str, Any]]:
    return modelmill(root)


def test_it_is_pushed_with_every_step_recorded(first: tuple[int, str, dict[str, Any]], root: Path) -> None:
    code, text, summary = first
    assert code == 0, text
    assert summary["status"] == "pushed"
    assert sum(summary["data"]["splits"].values()) == 1797
    assert summary["data"]["anomalies"] == 0
    assert summary["float"]["metrics"]["accuracy"] > 0.8
    assert summary["compressed"]["gzip_bytes"] < 0.5 * summary["float"]["gzip_bytes"]
    assert {trial["label"] for trial in summary["trials"]} == {"int8", "dynamic_range"}
    assert {"threshold", "budget", "non_inferiority", "load-check"} <= {gate["gate"] for gate in summary["gates"]}
    assert {gate["outcome"] for gate in summary["gates"]} == {"passed", "undecided"}
    # Some 29 test examples of each digit tell nothing of a loss below 0.1, and none of them is refused for that.
    undecided = {gate["slice"] for gate in summary["gates"] if gate["outcome"] == "undecided"}
    assert undecided == {f"label={digit}" for digit in range(10)}
    assert "10 undecided, 0 refused" in text
    pushed = Path(summary["pushed"])
    assert pushed == root / "digits-cnn" / "pushed" / "1"
    assert {"saved_model.pb", "model.tflite", "labels.txt", "manifest.json", "client.py"} <= set(os.listdir(pushed))
    assert (pushed / "model_card.md").is_file()
    page = root / "digits-cnn" / "latest" / "report.html"
    assert "report " in text and "All 6 epochs were done" in page.read_text()


def test_predict_answers_raw_files_right(first: tuple[int, str, dict[str, Any]], root: Path) -> None:
    files = [str(path) for path in sorted((root / "samples" / "digits" / "7").glob("*.png"))[:20]]
    done = subprocess.run(
        [sys.executable, "-m", "modelmill", "predict", first[2]["pushed"], *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    labels = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert len(labels) == 20 and labels.count("7") >= 15


def test_the_same_again_runs_nothing_and_says_so(first: tuple[int, str, dict[str, Any]], root: Path) -> None:
    code, text, summary = modelmill(root)
    assert code == 0
    assert worked(summary) == []
    assert summary["pushed"] == first[2]["pushed"]
    assert "nothing to do" in text
    assert [name for name in os.listdir(root / "digits-cnn" / "pushed") if not name.startswith(".")] == ["1"]


def test_changing_compress_runs_from_the_compressor_on(first: tuple[int, str, dict[str, Any]], root: Path) -> None:
    _, _, summary = modelmill(root, "--set", "compress.chains=[[int8]]")
    assert worked(summary)[0] == "compress"
    assert "train" not in worked(summary)


def test_another_result_is_pushed_without_compressing_again(first: tuple[int, str, dict[str, Any]], root: Path) -> None:
    arguments = ["push", first[2]["run_id"], "--candidate", "quality", "--root", str(root)]
    done = subprocess.run([sys.executable, "-m", "modelmill", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((root / "digits-cnn" / "latest" / "summary.json").read_text())
    assert worked(summary)[:2] == ["compress", "evaluate-compressed"]
    best = max(first[2]["trials"], key=lambda one: (one["metrics"]["accuracy"], -one["gzip_bytes"]))
    assert summary["compressed"]["gzip_bytes"] == best["gzip_bytes"]
    # To the last figure those of the first run: nothing was measured again.
    assert [one["latency_ms"] for one in summary["trials"]] == [one["latency_ms"] for one in first[2]["trials"]]


def test_changing_push_runs_the_pusher_only(first: tuple[int, str, dict[str, Any]], root: Path, tmp_path: Path) -> None:
    _, _, summary = modelmill(root, "--set", f"push.destination={tmp_path / 'elsewhere'}")
    assert worked(summary) == ["push"]
    assert Path(summary["pushed"]) == tmp_path / "elsewhere" / "1"


def test_a_refused_model_is_not_pushed_and_the_gate_is_named(
    first: tuple[int, str, dict[str, Any]], root: Path
) -> None:
    # After one epoch no digit-reader is without a fault; after six one may be. It may be worse than the one before.
    sets = ("evaluate.threshold=1.0", "evaluate.max_regression=1", "train.epochs=1")
    code, text, summary = modelmill(root, *(word for one in sets for word in ("--set", one)))
    assert code == 3
    assert summary["status"] == "refused" and summary["pushed"] is None
    (refused,) = [gate for gate in summary["gates"] if gate["outcome"] == "refused"]
    assert (refused["gate"], refused["metric"], refused["slice"]) == ("threshold", "accuracy", "overall")
    assert "threshold" in text and "accuracy" in text


def test_bad_data_is_refused_by_name_and_the_next_run_goes_on(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    files = sorted((root / "samples" / "digits" / "1").glob("*.png"))
    for first, label in enumerate(("a", "b")):
        (folder / label).mkdir(parents=True)
        for number, path in enumerate(files[first::2]):
            (folder / label / f"{number}.png").write_bytes(path.read_bytes())
    (folder / "a" / "broken.png").write_bytes(b"no image")
    sets = ["--set", "data.sample=null", "--set", f"data.path={folder}", "--to", "data-gate"]
    code, text, summary = modelmill(root, *sets)
    assert code == 2, text
    assert summary["status"] == "failed"
    assert "a/broken.png" in text and "log.txt" in text and "ingest" in text
    (folder / "a" / "broken.png").unlink()
    code, text, _ = modelmill(root, *sets)
    assert code == 0, text


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """kill -9 while training: the next run takes the finished nodes from the cache and the epochs from checkpoints."""
    more = ("--set", "train.epochs=40")
    running = subprocess.Popen(command(tmp_path, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not _epochs(tmp_path) >= 2:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    code, text, summary = modelmill(tmp_path, *more)
    assert code == 0, text
    assert worked(summary)[0] == "train"
    found = re.search(r"training goes on after epoch (\d+)", text)
    assert found and int(found.group(1)) >= 2


def _epochs(root: Path) -> int:
    states = list((root / "digits-cnn").glob("checkpoints/*/state.json"))
    return len(json.loads(states[0].read_text())["history"]) if states else 0
