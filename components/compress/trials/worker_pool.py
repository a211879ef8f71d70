"""Several benches, each in a process of its own, at chains side by side."""

from __future__ import annotations

import json
import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelmill.components.compress import method
from modelmill.components.compress.chain import label
from modelmill.components.compress.trials import store
from modelmill.components.compress.trials.runner import Bench
from modelmill.data.core import subprocess_job

Chain = list[dict[str, Any]]
# A chain and the folder of its trial.
Trial = tuple[Chain, Path]


class Team:
    """Tries chains on `workers` benches; what a chain comes to depends neither on their number nor on the order.

    A chain goes to the bench that has made its first step, or is about to: what chains share is made once. If the
    machine ends a bench, that trial is tried once more when nothing else runs, by another bench, which takes its place.

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
        """Tries each of `trials`, which leaves made.json or failed.json; first those that the machine has ended before.

        Args:
          trials: of which the first is begun first.
          tell: is told of each that is begun.
          halted: whether no more should be begun.

        Raises:
          MachineError: the machine has ended a trial, here for the second time, or this process can't go on.
        """
        again = [one for one in trials if store.is_ended(one[1])]
        self._alone(again, tell, halted)
        others = [one for one in trials if one not in again]
        if self._members:
            self._together(others, tell, halted)
            self._alone([one for one in others if store.is_ended(one[1])], tell, halted)
        else:
            self._alone(others, tell, halted)

    def _alone(self, trials: list[Trial], tell: Callable[[Chain, Path], None], halted: Callable[[], bool]) -> None:
        """One trial after the other, while no other bench has memory of its own."""
        for chain, folder in trials:
            if halted():
                return
            tell(chain, folder)
            if not self._members:
                self._local.attempt(chain, folder)
                continue
            for member in self._members:
                member.leave(at_once=False)
            self._members[0].begin(chain, folder)
            self._members[0].end()

    def _together(self, trials: list[Trial], tell: Callable[[Chain, Path], None], halted: Callable[[], bool]) -> None:
        """Trials side by side."""
        if not trials:
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
        self._label = ""
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
        self._folder, self._label = folder, label(chain)
        self.connection.send((chain, str(folder)))

    def end(self) -> None:
        """Takes note that the trial is made, or of what the process has died of.

        Raises:
          MachineError: the machine has ended this trial for the second time.
        """
        assert self._folder and self._process
        folder, self._folder = self._folder, None
        try:
            passing = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            if code < 0:
                store.end(folder, self._label, subprocess_job.last_word(code), subprocess_job.is_crash(code))
            else:
                store.fail(folder, subprocess_job.last_word(code))
            return
        if passing:
            self._process.join()
            store.end(folder, self._label, passing, crashed=False)

    def leave(self, at_once: bool) -> None:
        """Ends the process: when it has nothing more to do, or at once."""
        if self._process is None:
            return
        self.connection.close()
        if at_once:
            self._process.terminate()
        self._process.join()
        self._process = None


def _work(its: connection.Connection[Any, Any], *arguments: Any) -> None:
    """What such a process does until nothing more is asked of it; it answers "", or how the machine has failed it."""
    # Several processes may share one GPU: none can have all of its memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        bench = Bench(*arguments)
        while (task := _next_task(its)) is not None:
            chain, folder = task
            bench.attempt(chain, Path(folder))
            its.send("")
    except Exception as error:
        if not subprocess_job.is_passing(error):
            raise
        # It ends with this: what it has in memory is of no use to anybody.
        traceback.print_exc()
        its.send(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _next_task(its: connection.Connection[Any, Any]) -> tuple[Chain, str] | None:
    """Return what is asked for next; None if there is nothing more."""
    try:
        chain, folder = its.recv()
    except EOFError:
        return None
    return chain, folder


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
