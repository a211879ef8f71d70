"""Epochs that take minutes: they tell how far they have come, and what they have learned is kept on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelmill.data.core import progress

if TYPE_CHECKING:
    import tf_keras

# So often an epoch that takes longer tells how far it has come, and
TOLD_SECONDS = 10.0
# so often it is asked to keep what it has learned.
KEPT_SECONDS = 300.0


def told(
    name: str,
    steps: int,
    begun: int = 0,
    keep: Callable[[int, int, dict[str, float]], None] = lambda epoch, step, figures: None,
) -> tf_keras.callbacks.Callback:
    """A bar of an epoch's steps, and checkpoints within it, if it is a long one.

    Args:
      name: of the bar of epochs, to which this one belongs.
      steps: of an epoch, of which the first `begun` are over.
      keep: is given the epoch, the steps done here, and their figures so far, `seconds` among them.
    """
    import tf_keras

    now: dict[str, Any] = {}

    def begins(epoch: int, _: dict[str, Any]) -> None:
        start = time.monotonic()
        now.update(epoch=epoch, start=start, told=start, kept=start, shown=False)

    def step(number: int, logs: dict[str, Any]) -> None:
        done, time_now = begun + number + 1, time.monotonic()
        if time_now - now["told"] >= TOLD_SECONDS or (now["shown"] and done == steps):
            now.update(told=time_now, shown=True)
            progress.bar(f"{name}, epoch {now['epoch'] + 1}", done, steps, f"loss {logs['loss']:.3f}")
        if time_now - now["kept"] >= KEPT_SECONDS and done < steps:
            keep(now["epoch"], number + 1, {**floats(logs), "seconds": time_now - now["start"]})
            now.update(kept=time.monotonic())

    return tf_keras.callbacks.LambdaCallback(on_epoch_begin=begins, on_batch_end=step)


def floats(logs: dict[str, Any]) -> dict[str, float]:
    """What Keras tells, as plain numbers."""
    return {name: float(value) for name, value in logs.items()}
