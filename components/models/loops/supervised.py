"""Supervised learning of classes: cross-entropy, epoch by epoch, with checkpoints from which a killed run goes on."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import progress
from components.models import labels, store
from components.models.input import Examples
from components.models.learning import LearningConfig
from data.modality import Policy

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

STATE = "state.json"


def train(
    build: Callable[[], tf_keras.Model],
    examples: dict[str, Examples],
    learning: LearningConfig,
    policy: Policy,
    seed: int,
    strategy: tf.distribute.Strategy,
    checkpoints: Path,
    class_weights: list[float] | None = None,
    watch: Callable[[int, dict[str, float]], None] = lambda epoch, figures: None,
) -> tuple[tf_keras.Model, list[dict[str, float]]]:
    """Trains a model on examples["train"], judged after each epoch on examples["eval"].

    Args:
      build: makes the bare model; called within the strategy's scope, in the precision wanted.
      examples: the splits.
      learning: epochs, batch, optimizer, rates, early stopping.
      policy: augmentation of the train split.
      seed: of the order and the augmentation; each epoch depends on it and on its number alone.
      strategy: where it trains.
      checkpoints: a folder that outlives the process; what stands there is gone on from.
      class_weights: of each label in the loss, in the model's order; None if all count alike.
      watch: is told each epoch's number and figures, those from before a kill too.

    Returns:
      The model (with early stopping: the weights of its best epoch) and a row of figures for each epoch.

    Raises:
      FloatingPointError: the loss is no longer a number.
    """
    import tensorflow as tf

    from components.models import optimizer

    # Shared out among replicas, a last batch that is not whole could leave one of them without examples.
    whole = strategy.num_replicas_in_sync > 1
    train = examples["train"]
    steps = train.count // train.batch if whole else train.steps
    with strategy.scope(), _precision(learning.precision):
        model = build()
        made = optimizer.make(learning, steps)
        _compile(model, made, learning.xla)
        model.optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    checkpoints.mkdir(parents=True, exist_ok=True)
    state = _resume(checkpoint, checkpoints)
    history: list[dict[str, float]] = state["history"]
    for epoch, row in enumerate(history):
        watch(epoch, row)
    # A pass of a dataset is compiled anew each time; the eval split's stays the same.
    eval_batches = examples["eval"].plain()
    rate = optimizer.Rate(learning, steps)
    for epoch in range(len(history), learning.epochs):
        if _exhausted(history, state["best"], learning):
            progress.note(f"training stopped after epoch {epoch}: no better since epoch {state['best'] + 1}")
            break
        start = time.perf_counter()
        batches = _weighted(train.training(policy, seed, epoch, whole=whole), class_weights)
        # Of a pass whose length it does not know, Keras makes a last step without examples when it has a strategy.
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
        fitted = model.fit(batches, verbose=0)
        row = {name: float(values[-1]) for name, values in fitted.history.items()}
        row |= {
            f"val_{name}": value for name, value in model.evaluate(eval_batches, verbose=0, return_dict=True).items()
        }
        row["learning_rate"] = float(rate(model.optimizer.iterations - 1))
        row["seconds"] = time.perf_counter() - start
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} in epoch {epoch + 1}; "
                f"lower train.optimizer.learning_rate (now {learning.optimizer.learning_rate:g})"
            )
        history.append(row)
        if _score(row) >= max(map(_score, history)):
            state["best"] = epoch
            store.save_weights(checkpoints / f"best-{epoch}.npz", model)
        state["checkpoint"] = os.path.basename(checkpoint.write(str(checkpoints / f"epoch-{epoch}")))
        _write_state(checkpoints, state)
        info = f"loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}  eval {row['val_accuracy']:.3f}"
        progress.bar("train", epoch + 1, learning.epochs, info)
        watch(epoch, row)
    if learning.early_stopping:
        store.load_weights(checkpoints / f"best-{state['best']}.npz", model)
    return model, history


def fine_tune(
    model: tf_keras.Model,
    examples: Examples,
    policy: Policy,
    epochs: int,
    learning_rate: float,
    callbacks: list[tf_keras.callbacks.Callback],
    seed: int,
    name: str,
    class_weights: list[float] | None = None,
) -> None:
    """Trains a model a little further, in place: Adam, its rate falling to zero by a cosine."""
    import tf_keras

    rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, epochs * examples.steps)
    _compile(model, tf_keras.optimizers.Adam(rate))
    for epoch in range(epochs):
        batches = _weighted(examples.training(policy, seed, epoch), class_weights)
        fitted = model.fit(batches, verbose=0, callbacks=callbacks)
        row = {key: values[-1] for key, values in fitted.history.items()}
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} while fine-tuning; lower the method's learning_rate"
            )
        progress.bar(name, epoch + 1, epochs, f"loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}")


def _compile(model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer, xla: bool = False) -> None:
    model.compile(optimizer=optimizer, loss=labels.cross_entropy, metrics=[labels.accuracy], jit_compile=xla)


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made within compute in that precision; the policy is the process's, and others make layers too."""
    import tf_keras

    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def _weighted(batches: tf.data.Dataset, class_weights: list[float] | None) -> tf.data.Dataset:
    """(inputs, labels) with the weight of each example in the loss as a third, if classes count differently.

    Labels may be int64 [batch] or shares of the classes float32 [batch, classes].
    """
    import tensorflow as tf

    if class_weights is None:
        return batches

    def weigh(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        weights = tf.constant(class_weights, tf.float32)
        if labels.shape.rank == 1:
            return inputs, labels, tf.gather(weights, labels)
        return inputs, labels, tf.linalg.matvec(tf.cast(labels, tf.float32), weights)

    return batches.map(weigh)


def _score(row: dict[str, float]) -> tuple[float, float]:
    """What makes an epoch better; the loss decides between equal accuracies."""
    return row["val_accuracy"], -row["val_loss"]


def _exhausted(history: list[dict[str, float]], best: int, learning: LearningConfig) -> bool:
    stopping = learning.early_stopping
    return stopping is not None and len(history) - 1 - best >= stopping.patience


def _resume(checkpoint: tf.train.Checkpoint, folder: Path) -> dict[str, Any]:
    """Restores the last whole epoch, if there is one."""
    if not (folder / STATE).exists():
        return {"history": [], "best": -1, "checkpoint": None}
    state: dict[str, Any] = json.loads((folder / STATE).read_text())
    checkpoint.read(str(folder / state["checkpoint"])).assert_consumed()
    progress.note(f"training goes on after epoch {len(state['history'])}")
    return state


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    """Makes the new epoch the one to go on from, at once, then drops what is no longer needed."""
    staging = folder / f"{STATE}.new"
    staging.write_text(json.dumps(state))
    os.replace(staging, folder / STATE)
    keep = (f"{state['checkpoint']}.", f"best-{state['best']}.", STATE)
    for file in folder.iterdir():
        if not file.name.startswith(keep):
            file.unlink()
