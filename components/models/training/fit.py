"""Fit a model with Keras, as every training and fine-tuning does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from modelmill.components.models.training import epoch_progress

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras


def fit(
    model: tf_keras.Model,
    batches: tf.data.Dataset,
    epochs: range,
    steps: int,
    ended: Callable[[int, dict[str, float]], None],
    callbacks: list[tf_keras.callbacks.Callback],
    eval_batches: tf.data.Dataset | None = None,
) -> None:
    """Run Keras' fit; `ended` gets each epoch's figures, its seconds among them, and may set model.stop_training."""
    import tf_keras

    started = [time.perf_counter()]

    def end(epoch: int, logs: dict[str, Any]) -> None:
        now = time.perf_counter()
        ended(epoch, {**epoch_progress.floats(logs), "seconds": now - started[0]})
        started[0] = time.perf_counter()

    model.fit(
        batches,
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        steps_per_epoch=steps,
        validation_data=eval_batches,
        callbacks=[*callbacks, tf_keras.callbacks.LambdaCallback(on_epoch_end=end)],
        verbose=0,
    )


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Let layers made within compute in that precision; the policy is the process's, and others make layers too."""
    import tf_keras

    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
