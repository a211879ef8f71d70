"""What a person sees while a pipeline runs: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self

from rich.console import Console, ConsoleRenderable, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from modelmill.pipeline.records.node_outcome import Outcome

INTERVAL = 0.25
# Seconds between two lines that tell how far something is.
PATIENCE = 10.0
_MARKS = {
    "waiting": ("·", "dim"),
    "done": ("✓", "green"),
    "cached": ("✓", "cyan"),
    "skipped": ("–", "dim"),
    "failed": ("✗", "bold red"),
}


class Display(Protocol):
    """Shows nodes, bars and notes. Called from the main thread, and by a Follower's thread."""

    def phase(self, text: str) -> contextlib.AbstractContextManager[Callable[[str], None]]:
        """Work that is no node's, for the time of the context, which gives a function that tells how far it is."""

    def node(self, outcome: Outcome) -> None:
        """A node is to come, has started or has ended."""

    def bar(self, name: str, done: int, total: int, info: str) -> None:
        """How far some work has come."""

    def note(self, text: str) -> None:
        """A line that stays."""


def seconds(value: float) -> str:
    """A duration as a person reads it."""
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60} min {int(value) % 60:02} s"


class PlainDisplay:
    """Lines for a file or a pipe; of a bar at most one line a tenth."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tenths: dict[str, int] = {}

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def phase(self, text: str) -> Iterator[Callable[[str], None]]:
        start = told = time.monotonic()

        def tell(how_far: str) -> None:
            nonlocal told
            if time.monotonic() - told > PATIENCE:
                told = time.monotonic()
                self._line(f"  {how_far}")

        self._line(f"{text} ...")
        yield tell
        self._line(f"{text}: {seconds(time.monotonic() - start)}")

    def node(self, outcome: Outcome) -> None:
        if outcome.state == "waiting":
            return
        if outcome.state == "working":
            self._tenths = {}
            self._line(f"{outcome.id} ...")
        elif outcome.state in ("cached", "skipped"):
            self._line(f"{outcome.id}: {outcome.state}")
        else:
            self._line(f"{outcome.id}: {outcome.state}, {seconds(outcome.seconds)}")

    def bar(self, name: str, done: int, total: int, info: str) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._tenths.get(name, 0):
            self._tenths[name] = tenth
            self._line(f"  {name}: {done} of {total}" + (f"  {info}" if info else ""))

    def note(self, text: str) -> None:
        self._line(f"  {text}")


class LiveDisplay:
    """One line a node, below them the bars of the one at work; notes stay above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._outcomes: dict[str, Outcome] = {}
        self._bars: dict[str, tuple[int, int, str]] = {}
        self._phase: Spinner | None = None
        self._began, self._far = 0.0, ""
        self._lock = threading.Lock()
        self._spinner = Spinner("dots")

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """The picture moves for this time; its last state stays on the screen."""
        with Live(
            get_renderable=self._picture,
            console=self._console,
            refresh_per_second=1 / INTERVAL,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield

    @contextlib.contextmanager
    def phase(self, text: str) -> Iterator[Callable[[str], None]]:
        def tell(how_far: str) -> None:
            with self._lock:
                self._far = how_far

        with self._lock:
            self._began, self._far = time.monotonic(), ""
            self._phase = Spinner("dots", text=text)
        try:
            yield tell
        finally:
            with self._lock:
                self._phase = None

    def node(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[outcome.id] = outcome
            self._bars = {}
            if outcome.state == "working":
                self._began = time.monotonic()

    def bar(self, name: str, done: int, total: int, info: str) -> None:
        with self._lock:
            self._bars[name] = (done, total, info)
            # What is finished makes room; the outermost bar, the first one, stays.
            for other in list(self._bars)[1:]:
                if other != name and self._bars[other][0] >= self._bars[other][1]:
                    del self._bars[other]

    def note(self, text: str) -> None:
        self._console.print(Text(f"  {text}", style="dim"))

    def _picture(self) -> ConsoleRenderable:
        with self._lock:
            elapsed = seconds(time.monotonic() - self._began)
            parts: list[ConsoleRenderable] = []
            if self._phase:
                self._phase.update(
                    text=Text.assemble(
                        self._phase_text(), (f"  {self._far}" if self._far else "", "dim"), (f"  {elapsed}", "dim")
                    )
                )
                parts.append(self._phase)
            lines = Table.grid(padding=(0, 1))
            for outcome in self._outcomes.values():
                lines.add_row(*self._row(outcome, elapsed))
            parts.append(lines)
            if self._bars:
                parts.append(self._bar_table())
            return Group(*parts)

    def _phase_text(self) -> str:
        text = self._phase.text if self._phase else ""
        return str(text).partition("  ")[0]

    def _row(self, outcome: Outcome, elapsed: str) -> tuple[ConsoleRenderable, ...]:
        if outcome.state == "working":
            return self._spinner, Text(outcome.id, style="bold"), Text(elapsed)
        mark, style = _MARKS[outcome.state]
        told = {
            "done": seconds(outcome.seconds),
            "failed": f"failed after {seconds(outcome.seconds)}",
            "waiting": "",
        }
        text = told.get(outcome.state, outcome.state)
        return (
            Text(mark, style=style),
            Text(outcome.id, style="dim" if style == "dim" else ""),
            Text(text, style=style),
        )

    def _bar_table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, (done, total, info) in self._bars.items():
            bar = ProgressBar(total=max(total, 1), completed=done, width=30)
            table.add_row("  " + escape(name), bar, f"{done}/{total}", Text(info, style="dim"))
        return table


@contextlib.contextmanager
def display(console: Console) -> Iterator[Display]:
    """The display that fits the console."""
    if console.is_terminal and not console.is_dumb_terminal:
        live = LiveDisplay(console)
        with live.shown():
            yield live
    else:
        yield PlainDisplay(console)


class Follower:
    """Shows the events that nodes append to a file, as they come; `gates` holds those of gates."""

    def __init__(self, path: Path, shown: Display) -> None:
        self.gates: list[dict[str, Any]] = []
        self._shown = shown
        self._half = ""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        path.touch()
        self._file = open(path, encoding="utf-8")  # noqa: SIM115 (closed in __exit__)
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.catch_up()
        self._file.close()

    def catch_up(self) -> None:
        """Shows what is there by now."""
        with self._lock:
            for line in self._file.readlines():
                self._half += line
                if self._half.endswith("\n"):
                    event, self._half = self._half, ""
                    self._show(event)

    def _follow(self) -> None:
        while not self._stop.wait(INTERVAL):
            self.catch_up()

    def _show(self, line: str) -> None:
        try:
            event = json.loads(line)
            kind = event.pop("event")
            if kind == "bar":
                name, info = str(event["name"]), str(event.get("info", ""))
                self._shown.bar(name, int(event["done"]), int(event["total"]), info)
            elif kind == "note":
                self._shown.note(str(event["text"]))
            elif kind == "gate":
                self.gates.append(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            logging.exception("not an event of data/core/progress.py: %s", line)
