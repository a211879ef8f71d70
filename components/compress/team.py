"""Several benches, each in a process of its own, at chains side by side."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components import child
from components.compress import method, records
from components.compress.bench import Bench

Chain = list[dict[str, Any]]
# A chain and the folder of its trial.
Trial = tuple[Chain, Path]


class Team:
    """Tries chains on `workers` benches; what a chain comes to depends neither on their number nor on the order.

    A chain goes to the bench that has made its first step, or is about to: what chains share is made once. If a bench
    dies, that trial has failed, and another bench takes its place.

    Args:
      local: the bench of this process: a team of one.
      workers: how many there are.
      arguments: of the others' Bench.
    """

    def __init__(self, local: Bench, workers: int, *arguments: Any) -> None:
        self._local, self._owners = local, dict[str, _Member]()
        self._members = [_Member(arguments) for _ in range(workers if workers > 1 else 0)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for member in self._members:
            member.leave(at_once=error is not None)

    def attempt(
        self, trials: list[Trial], tell: Callable[[Chain, Path], None], halted: Callable[[], bool] = lambda: False
    ) -> None:
        """Tries each of `trials`, which leaves made.json or failed.json.

        Args:
          trials: of which the first is begun first.
          tell: is told of each that is begun.
          halted: whether no more should be begun.
        """
        if not trials:
            return
        if not self._members:
            for chain, folder in trials:
                if not halted():
                    tell(chain, folder)
                    self._local.attempt(chain, folder)
            return
        waiting = _groups(trials)
        while True:
            for member in self._members:
                while not (member.busy or halted()) and (key := self._next(member, waiting)):
                    chain, folder = waiting[key].pop(0)
                    tell(chain, folder)
                    member.begin(chain, folder)
            busy = {id(member.connection): member for member in self._members if member.busy}
            if not busy:
                return
            for ready in connection.wait([member.connection for member in busy.values()]):
                busy[id(ready)].end()

    def _next(self, member: _Member, waiting: dict[str, list[Trial]]) -> str:
        """The group of which a bench takes a trial: one of its own, else one that is nobody's; "" if there is none."""
        left = [key for key, trials in waiting.items() if trials]
        own = (key for key in left if self._owners.get(key) is member)
        key = next(own, None) or next((key for key in left if key not in self._owners), "")
        if key:
            self._owners[key] = member
        return key


class _Member:
    """A process with a bench, started when there is something to do for it."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._arguments = arguments
        self._process: BaseProcess | None = None
        self._folder: Path | None = None
        self.connection: connection.Connection[Any, Any]

    @property
    def busy(self) -> bool:
        """Whether it is at a trial."""
        return self._folder is not None

    def begin(self, chain: Chain, folder: Path) -> None:
        """Has a trial made."""
        if self._process is None or not self._process.is_alive():
            spawn = multiprocessing.get_context("spawn")
            self.connection, its = spawn.Pipe()
            self._process = spawn.Process(target=_work, args=(its, *self._arguments), daemon=True)
            self._process.start()
            its.close()
        self._folder = folder
        self.connection.send((chain, str(folder)))

    def end(self) -> None:
        """Takes note that the trial is made, or of what the process has died of."""
        assert self._folder and self._process
        try:
            self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            records.fail(self._folder, child.last_word(self._process.exitcode or 0))
        self._folder = None

    def leave(self, at_once: bool) -> None:
        """Ends the process: when it has nothing more to do, or at once."""
        if self._process is None:
            return
        self.connection.close()
        if at_once:
            self._process.terminate()
        self._process.join()


def _work(its: connection.Connection[Any, Any], *arguments: Any) -> None:
    """What such a process does until nothing more is asked of it."""
    # Several processes may share one GPU: none can have all of its memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    bench = Bench(*arguments)
    while True:
        try:
            chain, folder = its.recv()
        except EOFError:
            return
        bench.attempt(chain, Path(folder))
        its.send(None)


def _groups(trials: list[Trial]) -> dict[str, list[Trial]]:
    """Trials by their first step, if that is one to share; the first trial's group first, then those that take longest.

    A step that writes the flatbuffer leaves nothing that another chain could go on from.
    """
    found: dict[str, list[Trial]] = {}
    for chain, folder in trials:
        shared = chain and not method.look_up(chain[0]["method"]).EXPORTS
        found.setdefault(json.dumps(chain[0], sort_keys=True) if shared else str(folder), []).append((chain, folder))

    def epochs(key: str) -> int:
        return sum(int(step.get("epochs", 0)) for chain, _ in found[key] for step in chain)

    first, *others = found
    return {key: found[key] for key in (first, *sorted(others, key=epochs, reverse=True))}
