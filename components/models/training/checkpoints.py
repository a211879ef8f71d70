"""What a training leaves behind on its way, so that a killed one goes on where it was."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.data.core.atomic import write_atomically

if TYPE_CHECKING:
    import tensorflow as tf

FILE = "state.json"
Figures = dict[str, float]


@dataclass
class State:
    """How far a training has come, and the checkpoint of that.

    Attributes:
      history: the figures of each whole epoch.
      best: the epoch whose weights are kept as best-EPOCH.npz; -1 if there is none yet.
      checkpoint: the name of the file; None if there is none yet.
      step: so many steps of the epoch behind the last whole one are in the checkpoint.
      seen: the figures of these steps, `seconds` among them.
    """

    history: list[Figures] = field(default_factory=list)
    best: int = -1
    checkpoint: str | None = None
    step: int = 0
    seen: Figures = field(default_factory=dict)

    def through(self, figures: Figures, steps: int) -> Figures:
        """Of all of `steps` steps of an epoch, given those behind the ones in the checkpoint it was gone on from."""
        share = self.step / steps
        found = {name: share * self.seen.get(name, value) + (1 - share) * value for name, value in figures.items()}
        return {**self.seen, **found, "seconds": self.seen.get("seconds", 0.0) + figures["seconds"]}


class Keeper:
    """Reads and writes a training's state in a folder that outlives the process.

    Attributes:
      state: as it is now, whether or not it is in the folder yet; `step` is the one that was gone on from.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._written = -math.inf
        self.state = State()
        if (folder / FILE).exists():
            self.state = State(**json.loads((folder / FILE).read_text()))

    def path(self, name: str) -> Path:
        """A file of it."""
        return self._folder / name

    def is_due(self, seconds: float) -> bool:
        """Whether the last checkpoint is so long ago, or there is none of this process."""
        return time.monotonic() - self._written >= seconds

    def restore(self, checkpoint: tf.train.Checkpoint) -> None:
        """Reads the model and the optimizer that were written last."""
        checkpoint.read(str(self._folder / str(self.state.checkpoint))).assert_consumed()

    def keep(self, checkpoint: tf.train.Checkpoint, state: State, name: str) -> None:
        """Makes this the state to go on from, at once, then drops the files that are no longer needed."""
        state.checkpoint = os.path.basename(checkpoint.write(str(self._folder / name)))
        write_atomically(self._folder / FILE, json.dumps(asdict(state)))
        needed = (f"{state.checkpoint}.", f"best-{state.best}.", FILE)
        for file in self._folder.iterdir():
            if not file.name.startswith(needed):
                file.unlink()
        self._written = time.monotonic()
