"""The live picture and the plain lines."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from modelmill.pipeline.records.node_outcome import Outcome
from modelmill.pipeline.runners.local import console as console_module
from modelmill.pipeline.runners.local.console import Follower, LiveDisplay, PlainDisplay, display, seconds


def test_a_terminal_gets_the_picture_and_a_pipe_lines() -> None:
    for terminal, kind in ((True, LiveDisplay), (False, PlainDisplay)):
        console = Console(file=io.StringIO(), force_terminal=terminal, _environ={"TERM": "xterm"})
        with display(console) as shown:
            assert isinstance(shown, kind)


def test_the_picture() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None, _environ={"TERM": "xterm"})
    shown = LiveDisplay(console)
    for name in ("a", "b", "c", "d"):
        shown.node(Outcome(name))
    shown.node(Outcome("a", "done", 75.2))
    shown.node(Outcome("b", "cached"))
    shown.node(Outcome("c", "working"))
    shown.bar("trials", 1, 4, "int8")
    shown.bar("prune [x]", 3, 3, "")
    shown.bar("pqat", 1, 8, "accuracy 0.98")
    console.print(shown._picture())
    picture = file.getvalue()
    for text in ("✓ a 1 min 15 s", "✓ b cached", " c ", "· d", "trials", "1/4 int8", "pqat", "1/8", "accuracy 0.98"):
        assert text in picture
    assert "prune" not in picture  # finished
    with shown.phase("loading"):
        console.print(shown._picture())
    assert "loading  0." in file.getvalue()
    with shown.phase("fetching") as tell:
        tell("34.0 MB")
        console.print(shown._picture())
    assert "fetching  34.0 MB  0." in file.getvalue()
    shown.node(Outcome("c", "failed", 1))
    file.truncate(0)
    console.print(shown._picture())
    assert "✗ c failed after 1.0 s" in file.getvalue() and "trials" not in file.getvalue()


def test_lines_tell_how_far_a_phase_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    shown = PlainDisplay(Console(file=file, force_terminal=False, width=40))
    with shown.phase("fetching") as tell:
        tell("1.0 MB")
        monkeypatch.setattr(console_module, "PATIENCE", -1)
        tell("34.0 MB")
    assert file.getvalue().startswith("fetching ...\n  34.0 MB\nfetching: 0.")


def test_events_are_followed_while_they_are_written(tmp_path: Path) -> None:
    file = io.StringIO()
    path = tmp_path / "progress.jsonl"
    shown = PlainDisplay(Console(file=file, force_terminal=False, width=40))
    with Follower(path, shown) as follower, path.open("a") as events:
        events.write(json.dumps({"event": "note", "text": "[bold] " + "long " * 20}) + "\n")
        events.write('{"event": "gate", "gate": "g", "pass')
        events.flush()
        follower.catch_up()
        assert follower.gates == []
        events.write('ed": true}\nnonsense\n{"event": "bar"}\n{"event": "news"}\n')
    assert follower.gates == [{"gate": "g", "passed": True}]
    assert file.getvalue() == "  [bold] " + "long " * 20 + "\n"


def test_bars_in_plain_lines() -> None:
    file = io.StringIO()
    shown = PlainDisplay(Console(file=file, force_terminal=False))
    for done in range(1, 61):
        shown.bar("train", done, 60, f"accuracy {done / 60:.2f}")
    assert file.getvalue().count("\n") == 10
    assert file.getvalue().endswith("  train: 60 of 60  accuracy 1.00\n")
    file.truncate(0)
    file.seek(0)
    shown.bar("train", 3, 3, "")
    shown.bar("trials", 1, 3, "")
    assert file.getvalue() == "  trials: 1 of 3\n"


def test_durations() -> None:
    assert [seconds(value) for value in (0.04, 59.94, 61, 3600)] == ["0.0 s", "59.9 s", "1 min 01 s", "60 min 00 s"]
